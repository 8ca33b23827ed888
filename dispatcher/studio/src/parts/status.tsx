import { elapsed, duration, moment, shortMoment } from "../format/time";
import { useNow } from "./live";

const TONES: Record<string, string> = {
  Completed: "good",
  Failed: "bad",
  NotResponding: "bad",
  Canceled: "off",
  CancelRequested: "off",
  Running: "busy",
  Finalizing: "busy",
};
const WORDS: Record<string, string> = { CancelRequested: "Cancelling", NotResponding: "Not responding" };

/** All statuses, in the order of a run's life. */
export const STATUSES = [
  "Queued", "Preparing", "Provisioning", "Running", "Finalizing", "CancelRequested",
  "Completed", "Failed", "Canceled",
];

export function statusWord(status: string): string {
  return WORDS[status] ?? status;
}

export function Status({ status }: { status: string }) {
  return <span className={`status ${TONES[status] ?? "waiting"}`}>{statusWord(status)}</span>;
}

interface Times {
  started_at: string | null;
  ended_at: string | null;
}

/** How long a run took, or takes; it counts on while the run goes on. */
export function Duration({ run }: { run: Times }) {
  const now = useNow(run.started_at !== null && run.ended_at === null);
  const seconds = elapsed(run, now);
  return <span className="figure">{seconds === null ? "–" : duration(seconds)}</span>;
}

export function Moment({ at }: { at: string | null | undefined }) {
  return (
    <time dateTime={at ?? undefined} title={moment(at)}>
      {shortMoment(at, new Date())}
    </time>
  );
}

/** Counts by status as a bar, with its numbers in words. */
export function StatusBar({ counts }: { counts: Record<string, number> }) {
  const shown = STATUSES.filter((status) => (counts[status] ?? 0) > 0);
  const words = shown.map((status) => `${String(counts[status])} ${statusWord(status)}`).join(", ");
  return (
    <div className="status-bar">
      <div className="track" role="img" aria-label={words}>
        {shown.map((status) => (
          <span
            key={status}
            className={`part ${TONES[status] ?? "waiting"}`}
            style={{ flexGrow: counts[status] ?? 0 }}
          />
        ))}
      </div>
      <span>{words}</span>
    </div>
  );
}

export function Tags({ tags }: { tags: Record<string, string | null> }) {
  return (
    <span className="tags">
      {Object.entries(tags).map(([key, value]) => (
        <span key={key} className="tag" title={value === null ? key : `${key}: ${value}`}>
          <b>{key}</b>
          {value !== null && value !== "" && ` ${value}`}
        </span>
      ))}
    </span>
  );
}
