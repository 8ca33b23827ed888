/** The event log as a stream: read by fetch, so that the session's header can be sent. */

import { PROOF_HEADER, proof } from "./session";

export interface LogEvent {
  kind: string;
  subject: string;
  run_id?: string;
}

/** Splits a stream of server-sent events; keeps what is incomplete for the next piece. */
export class EventParser {
  private rest = "";
  lastId: string | null = null;

  push(text: string): LogEvent[] {
    const pieces = (this.rest + text).split("\n\n");
    this.rest = pieces.pop() ?? "";
    const events: LogEvent[] = [];
    for (const piece of pieces) {
      const fields = new Map<string, string>();
      for (const line of piece.split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
      }
      this.lastId = fields.get("id") ?? this.lastId;
      const data = fields.get("data");
      if (data !== undefined) events.push(JSON.parse(data) as LogEvent);
    }
    return events;
  }
}

const RETRY_MS = [500, 1000, 2000, 5000];

/**
 * Follow the log until the signal aborts. A lost connection is made again from the last event on;
 * a hidden page holds no connection and catches up when it is shown.
 */
export async function follow(
  signal: AbortSignal,
  onEvents: (events: LogEvent[]) => void,
  onState: (connected: boolean) => void,
): Promise<void> {
  const parser = new EventParser();
  let failures = 0;
  while (!signal.aborted) {
    await visible(signal);
    const connection = new AbortController();
    const hide = () => {
      if (document.hidden) connection.abort();
    };
    const end = () => connection.abort();
    document.addEventListener("visibilitychange", hide);
    signal.addEventListener("abort", end);
    try {
      await readStream(parser, connection.signal, onEvents, () => {
        failures = 0;
        onState(true);
      });
    } catch {
      failures += 1; // the state below tells the user; the next round connects again
    } finally {
      document.removeEventListener("visibilitychange", hide);
      signal.removeEventListener("abort", end);
    }
    if (signal.aborted || document.hidden) continue;
    onState(false);
    await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 5000);
  }
}

async function readStream(
  parser: EventParser,
  signal: AbortSignal,
  onEvents: (events: LogEvent[]) => void,
  onOpen: () => void,
): Promise<void> {
  const headers: Record<string, string> = { [PROOF_HEADER]: proof() };
  if (parser.lastId !== null) headers["Last-Event-ID"] = parser.lastId;
  const response = await fetch("/api/v1/events/stream", { headers, signal });
  if (!response.ok || response.body === null) throw new Error(String(response.status));
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = parser.push(value);
    if (events.length > 0) onEvents(events);
  }
}

function visible(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const check = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
