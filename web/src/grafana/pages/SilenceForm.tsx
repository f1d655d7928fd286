// A silence for the alerts with the same labels.
import { Alert, Button, Field, Input, Modal, Select } from "@grafana/ui";
import { useState, type FormEvent } from "react";
import { send } from "../runtime/http";
import type { Matcher } from "./AlertingPage";

interface Props { labels: Record<string, string>; address: string; close: (made: boolean) => void }

const HOUR_MS = 3_600_000;
const LENGTHS = [["30 minutes", 0.5], ["1 hour", 1], ["4 hours", 4], ["1 day", 24], ["1 week", 168]] as const;

export function SilenceForm({ labels, address, close }: Props) {
  const [hours, setHours] = useState(1), [by, setBy] = useState(""), [comment, setComment] = useState(""), [error, setError] = useState("");
  const matchers: Matcher[] = Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const now = Date.now();
    const silence = { matchers, startsAt: new Date(now).toISOString(), endsAt: new Date(now + hours * HOUR_MS).toISOString(), createdBy: by, comment };
    send("POST", address, silence).then(() => close(true), (failure: Error) => setError(failure.message));
  };
  return (
    <Modal title={`Silence ${labels["alertname"] ?? "alert"}`} isOpen onDismiss={() => close(false)}>
      <form onSubmit={submit}>
        {error && <Alert title={error} />}
        <p>{matchers.map((one) => `${one.name}=${one.value}`).join(", ")}</p>
        <Field label="For"><Select options={LENGTHS.map(([label, value]) => ({ label, value: value as number }))} value={hours} onChange={(choice) => setHours(choice.value ?? 1)} /></Field>
        <Field label="Your name"><Input required value={by} onChange={(event) => setBy(event.currentTarget.value)} /></Field>
        <Field label="Why"><Input required value={comment} onChange={(event) => setComment(event.currentTarget.value)} /></Field>
        <Modal.ButtonRow><Button type="submit">Silence</Button></Modal.ButtonRow>
      </form>
    </Modal>
  );
}
