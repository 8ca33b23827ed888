import { expect, it } from "vitest";

import { appended, MOST_LINES } from "./log-follower";

const NOTHING = { lines: [], partial: "", start: 0, complete: false };

it("joins a line that comes in two pieces", () => {
  const log = appended(appended(NOTHING, "one\ntw", false), "o\n", true);
  expect(log).toEqual({ lines: ["one", "two"], partial: "", start: 0, complete: true });
});

it("keeps the newest lines of a log without end", () => {
  const log = appended(NOTHING, "x\n".repeat(MOST_LINES + 5) + "last\n", false);
  expect(log.lines.length).toBe(MOST_LINES);
  expect(log.lines.at(-1)).toBe("last");
});
