import { describe, expect, it } from "vitest";

import { pointsOf, smoothed } from "./chart-data";

const SERIES = { name: "m", count: 3, steps: [0, 1, 2], times: [10, 11, 12], values: [1, -1, null] };

describe("pointsOf", () => {
  it("draws by step or by time", () => {
    expect(pointsOf(SERIES, false, false, 0).x).toEqual([0, 1, 2]);
    expect(pointsOf(SERIES, true, false, 0).x).toEqual([10, 11, 12]);
  });

  it("uses the place in the log where no steps were given", () => {
    expect(pointsOf({ ...SERIES, steps: [0, 0, 0] }, false, false, 0).x).toEqual([0, 1, 2]);
  });

  it("leaves out what a logarithmic axis cannot show", () => {
    expect(pointsOf(SERIES, false, true, 0).y).toEqual([1, null, null]);
  });
});

it("a smoothed constant stays what it is", () => {
  expect(smoothed([2, null, 2], 0.9).map((value) => value && Math.round(value * 1e9) / 1e9)).toEqual([2, null, 2]);
});
