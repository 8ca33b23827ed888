import { type Series } from "../api/client";

export interface Points {
  x: number[];
  y: (number | null)[];
  smooth: (number | null)[] | null;
}

/** The points that a chart draws, by x. Where all steps are the same, x is the place in the log. */
export function pointsOf(series: Series, byTime: boolean, logarithmic: boolean, smoothing: number): Points {
  const steps = series.steps.length > 1 && new Set(series.steps).size === 1;
  const place = (k: number) => (series.values.length === series.count ? k : (k * series.count) / series.values.length);
  const found = series.values.map((value, k) => ({
    x: byTime ? (series.times[k] ?? 0) : steps ? place(k) : (series.steps[k] ?? 0),
    y: value === null || (logarithmic && value <= 0) ? null : value,
  }));
  found.sort((a, b) => a.x - b.x);
  const y = found.map((point) => point.y);
  return {
    x: found.map((point) => point.x),
    y,
    smooth: smoothing > 0 ? smoothed(y, smoothing) : null,
  };
}

/** An exponential mean that is not biased towards its start. */
export function smoothed(values: (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean * weight + (1 - weight) * value;
    count += 1;
    return mean / (1 - weight ** count);
  });
}
