import { expect, it } from "vitest";

import { concerned } from "../parts/live";
import { EventParser } from "./events";

const EVENT = 'id: 7\nevent: run.Started\ndata: {"kind": "run.Started", "subject": "r", "run_id": "r"}\n\n';

it("reads events from pieces that are cut anywhere, and knows the last id", () => {
  const parser = new EventParser();
  const found = [...(EVENT + ": nothing new\n\n" + EVENT.replace("7", "8"))].flatMap((c) => parser.push(c));
  expect(found.map((event) => event.run_id)).toEqual(["r", "r"]);
  expect(parser.lastId).toBe("8");
});

it("an event of a run makes the run and the lists stale", () => {
  expect(concerned({ kind: "run.Started", subject: "r", run_id: "r" })).toContain("run r");
  expect(concerned({ kind: "run.Started", subject: "r", run_id: "r" })).toContain("experiments");
  expect(concerned({ kind: "target.attached", subject: "t" })).toEqual(["targets"]);
});
