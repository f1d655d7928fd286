// Runs a data source's query and reports it as the panels expect: loading first (when it takes a while), then data or error.
import {
  DataTopic, LoadingState, toDataFrame, type DataFrame, type DataQueryRequest, type DataQueryResponse, type DataSourceApi, type PanelData,
} from "@grafana/data";
import { catchError, from, isObservable, map, merge, of, share, takeUntil, timer, type Observable } from "rxjs";

const SILENT_MS = 150;

export function runRequest(
  source: DataSourceApi,
  request: DataQueryRequest,
  query: (asked: DataQueryRequest) => Promise<DataQueryResponse> | Observable<DataQueryResponse> = source.query.bind(source),
): Observable<PanelData> {
  const common = { request, timeRange: request.range };
  const asked = query(request);
  const answers = (isObservable(asked) ? asked : from(asked)).pipe(
    map((answer): PanelData => ({ ...common, ...outcome(answer), ...byTopic(answer.data.map((frame) => toDataFrame(frame))) })),
    catchError((error: Error) => of({ ...common, state: LoadingState.Error, series: [], errors: [{ message: error.message }], error: { message: error.message } })),
    share(),
  );
  const loading = timer(SILENT_MS).pipe(map((): PanelData => ({ ...common, state: LoadingState.Loading, series: [] })), takeUntil(answers));
  return merge(answers, loading);
}

/** Exemplars and events are drawn over the series, not as series. */
function byTopic(frames: DataFrame[]): Pick<PanelData, "series" | "annotations"> {
  const over = frames.filter((frame) => frame.meta?.dataTopic === DataTopic.Annotations);
  return { series: over.length ? frames.filter((frame) => !over.includes(frame)) : frames, annotations: over };
}

function outcome(answer: DataQueryResponse): Pick<PanelData, "state" | "error" | "errors"> {
  const errors = answer.errors ?? (answer.error ? [answer.error] : []);
  return errors.length ? { state: LoadingState.Error, errors, error: errors[0] } : { state: LoadingState.Done };
}
