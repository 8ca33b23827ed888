import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";

import { answered, client, type RunDetails } from "../api/client";
import { plain, spans } from "../format/ansi";
import { bytes } from "../format/time";
import { useAddress } from "../parts/address";
import { Empty, Loading, Problem } from "../parts/states";
import { followLog, type LogText } from "./log-follower";

const LINE_PX = 18;
const RETRY_MS = 2_000;
const NOTHING: LogText = { lines: [], partial: "", start: 0, complete: false };

/** The logs of a run; the one that is chosen is followed while it grows. */
export function Logs({ run }: { run: RunDetails }) {
  const { get, set } = useAddress();
  const logs = useQuery({
    queryKey: ["run", run.id, "logs"],
    queryFn: () =>
      answered(client.GET("/api/v1/runs/{run_id}/logs", { params: { path: { run_id: run.id } } })),
    refetchInterval: run.terminal ? false : 3_000, // a new log is not an event
  });
  const names = useMemo(() => [...new Set(logs.data?.logs.map((log) => log.name))], [logs.data]);
  if (logs.data === undefined) return logs.error ? <Problem error={logs.error} /> : <Loading />;
  const preferred = names.find((name) => name.endsWith("driver_log.txt") || name.includes("std_log"));
  const name = names.find((each) => each === get("file")) ?? preferred ?? names[0];
  if (name === undefined) {
    return <Empty>{run.terminal ? "The run has no logs." : "The run has not printed anything yet."}</Empty>;
  }
  const size = Math.max(...logs.data.logs.filter((log) => log.name === name).map((log) => log.size));
  return (
    <div className="split">
      <ul className="files" aria-label="Logs">
        {names.map((each) => (
          <li key={each}>
            <button
              type="button"
              aria-current={each === name ? "true" : undefined}
              onClick={() => set({ file: each })}
            >
              {each}
            </button>
          </li>
        ))}
      </ul>
      <LogView key={name} run={run.id} name={name} size={size} />
    </div>
  );
}

function LogView({ run, name, size }: { run: string; name: string; size: number }) {
  const [log, setLog] = useState(NOTHING);
  const [whole, setWhole] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const known = useRef(size);
  useEffect(() => {
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    followLog(run, name, known.current, whole, end.signal, setLog).then(
      () => setError(null),
      (failure: unknown) => {
        if (end.signal.aborted) return;
        setError(failure);
        timer = setTimeout(() => setRound((before) => before + 1), RETRY_MS);
      },
    );
    return () => {
      end.abort();
      clearTimeout(timer);
    };
  }, [run, name, whole, round]);
  return (
    <div className="log">
      <LogLines log={log} name={name} size={size} onWhole={() => setWhole(true)} />
      <Problem error={error} />
    </div>
  );
}

function LogLines(props: { log: LogText; name: string; size: number; onWhole: () => void }) {
  const { log } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [follows, setFollows] = useState(true);
  const [text, setText] = useState("");
  const lines = useMemo(() => (log.partial === "" ? log.lines : [...log.lines, log.partial]), [log]);
  const matches = useMemo(() => {
    const wanted = text.toLowerCase();
    if (wanted === "") return [];
    return lines.flatMap((line, k) => (plain(line).toLowerCase().includes(wanted) ? [k] : []));
  }, [lines, text]);
  const [place, setPlace] = useState(0);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_PX,
    overscan: 30,
  });
  useEffect(() => {
    if (follows && lines.length > 0) virtual.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follows, lines.length, virtual]);
  const go = (step: number) => {
    if (matches.length === 0) return;
    const next = (place + step + matches.length) % matches.length;
    setPlace(next);
    setFollows(false);
    virtual.scrollToIndex(matches[next] ?? 0, { align: "center" });
  };
  const hits = new Set(matches);
  return (
    <>
      <div className="log-bar">
        <input
          type="search"
          placeholder="Search this log"
          aria-label="Search this log"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setPlace(0);
          }}
          onKeyDown={(event) => event.key === "Enter" && go(event.shiftKey ? -1 : 1)}
        />
        <span className="count" aria-live="polite">
          {text !== "" && `${matches.length.toLocaleString()} lines`}
        </span>
        <button type="button" disabled={matches.length === 0} onClick={() => go(-1)}>
          Previous
        </button>
        <button type="button" disabled={matches.length === 0} onClick={() => go(1)}>
          Next
        </button>
        <label>
          <input type="checkbox" checked={follows} onChange={(event) => setFollows(event.target.checked)} />
          Follow
        </label>
        {log.start > 0 && (
          <button type="button" onClick={props.onWhole}>
            Load the earlier {bytes(log.start)}
          </button>
        )}
        <span className="faint" role="status">
          {log.complete ? "complete" : "growing"}
        </span>
      </div>
      <div
        className="log-lines"
        ref={scroller}
        tabIndex={0}
        role="log"
        aria-label={props.name}
        aria-live="off"
        onWheel={(event) => event.deltaY < 0 && setFollows(false)}
        onKeyDown={(event) => ["PageUp", "ArrowUp", "Home"].includes(event.key) && setFollows(false)}
      >
        <div className="log-inner" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => (
            <div
              key={item.key}
              className={hits.has(item.index) ? (matches[place] === item.index ? "line hit now" : "line hit") : "line"}
              style={{ transform: `translateY(${String(item.start)}px)` }}
            >
              {spans(lines[item.index] ?? "").map((span, k) => (
                <span key={k} className={span.classes}>
                  {span.text}
                </span>
              ))}
            </div>
          ))}
        </div>
      </div>
    </>
  );
}
