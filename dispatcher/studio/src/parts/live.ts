import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { follow, type LogEvent } from "../api/events";

const GATHER_MS = 400;

/**
 * Keep what is shown true by the event log: what an event concerns is read again. Returns whether
 * the log is being followed. A burst of events leads to one reading.
 */
export function useLiveEvents(): boolean {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(false);
  useEffect(() => {
    const end = new AbortController();
    const changed = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const refresh = () => {
      timer = null;
      const keys = new Set(changed);
      changed.clear();
      void queries.invalidateQueries({
        predicate: ({ queryKey: [kind, id] }) =>
          keys.has(String(kind)) || (kind === "run" && keys.has(`run ${String(id)}`)),
      });
    };
    const note = (events: LogEvent[]) => {
      for (const event of events) for (const key of concerned(event)) changed.add(key);
      timer ??= setTimeout(refresh, GATHER_MS);
    };
    const state = (on: boolean) => {
      setConnected(on);
      if (on) void queries.invalidateQueries({ predicate: ({ queryKey: [kind] }) => kind !== "session" });
    };
    void follow(end.signal, note, state);
    return () => {
      end.abort();
      if (timer !== null) clearTimeout(timer);
    };
  }, [queries]);
  return connected;
}

/** The first parts of the query keys that an event makes stale. */
export function concerned(event: LogEvent): string[] {
  if (event.run_id !== undefined) return [`run ${event.run_id}`, "runs", "experiments", "targets", "below"];
  if (event.kind.startsWith("target.")) return ["targets"];
  return ["experiments"];
}

/** The present moment in milliseconds, renewed each second while `active`. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [active]);
  return now;
}
