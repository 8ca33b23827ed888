import { describe, expect, it } from "vitest";

import { bytes, duration, elapsed, number } from "./time";

describe("duration", () => {
  it.each([
    [0.4, "0 s"], [59.6, "1 m 00 s"], [185, "3 m 05 s"], [7800, "2 h 10 m"], [356_400, "4 d 3 h"], [-5, "0 s"],
  ])("%s seconds read %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});

describe("elapsed", () => {
  const start = "2026-01-01T00:00:00.000Z";

  it("counts to the end, or to now while there is none", () => {
    const now = Date.parse(start) + 90_000;
    expect(elapsed({ started_at: start, ended_at: "2026-01-01T00:00:30.000Z" }, now)).toBe(30);
    expect(elapsed({ started_at: start, ended_at: null }, now)).toBe(90);
  });

  it("is nothing before the start", () => {
    expect(elapsed({ started_at: null, ended_at: null }, 0)).toBeNull();
  });
});

it("sizes and values keep three and five digits", () => {
  expect([bytes(17), bytes(1234), bytes(5_600_000)]).toEqual(["17 B", "1.23 kB", "5.60 MB"]);
  expect([number(0.123456), number(3), number(1e-7), number(null)]).toEqual([
    "0.12346", "3", "1.000e-7", "–",
  ]);
});
