/** Moments and durations as people read them, in the reader's time zone. */

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** The whole moment, for tooltips and details. */
export function moment(text: string | null | undefined): string {
  return text ? MOMENT.format(new Date(text)) : "–";
}

/** A moment as short as it can be: the time of day today, else the day and the time. */
export function shortMoment(text: string | null | undefined, now: Date): string {
  if (!text) return "–";
  const then = new Date(text);
  const clock = CLOCK.format(then);
  if (then.toDateString() === now.toDateString()) return clock;
  const day = then.getFullYear() === now.getFullYear() ? DAY.format(then) : then.toLocaleDateString();
  return `${day}, ${clock}`;
}

/** Seconds as the two largest units: `42 s`, `3 m 05 s`, `2 h 10 m`, `4 d 3 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} m ${two(whole % 60)} s`;
  if (whole < 86_400) {
    return `${String(Math.floor(whole / 3600))} h ${two(Math.floor((whole % 3600) / 60))} m`;
  }
  return `${String(Math.floor(whole / 86_400))} d ${String(Math.floor((whole % 86_400) / 3600))} h`;
}

/** How long a run took, or takes until now; null before its start. */
export function elapsed(
  run: { started_at: string | null; ended_at: string | null },
  now: number,
): number | null {
  if (run.started_at === null) return null;
  const end = run.ended_at === null ? now : Date.parse(run.ended_at);
  return (end - Date.parse(run.started_at)) / 1000;
}

export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toPrecision(3)} ${units[unit] ?? ""}`;
}

/** A metric's value: up to five significant digits. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString();
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e9) ? value.toExponential(3) : value.toPrecision(5);
}
