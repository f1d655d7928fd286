import { useMemo, useState } from "react";
import { useSearchParams } from "react-router-dom";

import { ApiError, readUpload, search, type TraceJson } from "../api";
import { useLoad } from "../hooks";
import { buildTrace } from "../model";
import { EMPTY, SearchForm, tagsToJson, type Fields } from "../search/Form";
import { Results } from "../search/Results";
import { Scatter } from "../search/Scatter";
import { keepUploaded } from "../uploads";

/** Jaeger writes the lookback and both ends into the address; the lookback alone is enough here. */
function fromAddress(params: URLSearchParams): Fields {
  const fields = { ...EMPTY };
  for (const name of Object.keys(EMPTY) as (keyof Fields)[]) {
    const value = params.get(name);
    if (value !== null) fields[name] = value;
  }
  if (fields.operation === "all") fields.operation = "";
  return fields;
}

export function SearchPage() {
  const [params, setParams] = useSearchParams();
  const [uploaded, setUploaded] = useState<TraceJson[] | null>(null);
  const [uploadError, setUploadError] = useState("");
  const [again, setAgain] = useState(0);
  const fields = useMemo(() => fromAddress(params), [params]);
  const key = fields.service ? `${params.toString()}#${again}` : null;
  const found = useLoad(key, (signal) => search({ ...fields, tags: tagsToJson(fields.tags), ...ends(params) }, signal));
  const json = uploaded ?? found.data;
  const traces = useMemo(() => json?.map(buildTrace), [json]);

  const onSearch = (next: Fields) => {
    setUploaded(null);
    setUploadError("");
    setAgain(again + 1);
    setParams(Object.fromEntries(Object.entries(next).filter(([, value]) => value !== "")));
  };
  const onUpload = async (files: FileList) => {
    try {
      const read = await Promise.all([...files].map(async (file) => readUpload(file.name, await file.text())));
      setUploaded(keepUploaded(read.flat()));
      setUploadError("");
    } catch (error) {
      setUploadError(error instanceof ApiError ? error.message : String(error));
    }
  };
  return (
    <div className="search">
      <SearchForm fields={fields} busy={found.loading} onSearch={onSearch} onUpload={(files) => void onUpload(files)} />
      <section aria-live="polite">
        {(found.error || uploadError) && <p className="error">{uploadError || found.error}</p>}
        {found.loading && !uploaded && <p className="loading">Searching…</p>}
        {traces && traces.length > 0 && (
          <>
            <Scatter traces={traces} />
            <Results traces={traces} limit={uploaded ? 0 : Number(fields.limit)} />
          </>
        )}
        {traces?.length === 0 && <p className="loading">No trace matches. A longer time, fewer tags or another service may.</p>}
        {!traces && !found.loading && !found.error && <p className="loading">Choose a service, or paste a trace id above.</p>}
      </section>
    </div>
  );
}

/** Ends of the time range when the address has them (Jaeger's links do). */
function ends(params: URLSearchParams): Record<string, string> {
  const start = params.get("start");
  const end = params.get("end");
  return start && end ? { start, end, lookback: "custom" } : {};
}
