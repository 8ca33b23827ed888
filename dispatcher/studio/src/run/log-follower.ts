import { fetchBytes, pathOf } from "../api/client";

const FIRST_BYTES = 256 * 1024;
const WAIT_SECONDS = 25;
export const MOST_LINES = 50_000;

export interface LogText {
  lines: string[];
  /** The last line is not ended yet. */
  partial: string;
  /** The offset of the first byte that is shown; 0: all is. */
  start: number;
  complete: boolean;
}

/** Adds text to lines; of a log that grows without end the newest MOST_LINES are kept. */
export function appended(log: LogText, text: string, complete: boolean): LogText {
  const parts = (log.partial + text).split("\n");
  const partial = parts.pop() ?? "";
  const lines = [...log.lines, ...parts];
  return { ...log, lines: lines.slice(-MOST_LINES), partial, complete };
}

interface Part {
  data: Uint8Array;
  next: number;
  complete: boolean;
}

async function readPart(url: string, offset: number, wait: number, limit: number, signal: AbortSignal): Promise<Part> {
  const query = new URLSearchParams({ offset: String(offset), wait: String(wait), limit: String(limit) });
  const response = await fetchBytes(`${url}?${query.toString()}`, { signal });
  return {
    data: new Uint8Array(await response.arrayBuffer()),
    next: Number(response.headers.get("X-Next-Offset") ?? offset),
    complete: response.headers.get("X-Complete") === "1",
  };
}

/** Follow a log from its last FIRST_BYTES on until it is complete, or the signal aborts. */
export async function followLog(
  run: string,
  name: string,
  size: number,
  whole: boolean,
  signal: AbortSignal,
  onText: (change: (log: LogText) => LogText) => void,
): Promise<void> {
  const url = `/api/v1/runs/${pathOf(run)}/logs/${pathOf(name)}`;
  const start = whole ? 0 : Math.max(0, size - FIRST_BYTES);
  const decoder = new TextDecoder();
  let offset = start;
  let first = start > 0;
  onText(() => ({ lines: [], partial: "", start, complete: false }));
  for (;;) {
    const isTail = offset >= size;
    const part = await readPart(url, offset, isTail ? WAIT_SECONDS : 0, 4 << 20, signal);
    offset = part.next;
    let text = decoder.decode(part.data, { stream: !part.complete });
    if (first && text !== "") {
      text = text.slice(text.indexOf("\n") + 1); // the first line is cut
      first = false;
    }
    onText((log) => appended(log, text, part.complete));
    if (part.complete || signal.aborted) return;
  }
}
