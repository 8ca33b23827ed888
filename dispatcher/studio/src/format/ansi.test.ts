import { describe, expect, it } from "vitest";

import { plain, spans } from "./ansi";

describe("spans", () => {
  it("gives colours as classes and drops other escapes", () => {
    const line = "\u001b[32mok\u001b[0m \u001b[1;31mbad\u001b[22m!\u001b[K\u001b]0;title\u0007";
    expect(spans(line)).toEqual([
      { text: "ok", classes: "ansi-green" },
      { text: " ", classes: "" },
      { text: "bad", classes: "ansi-red ansi-bold" },
      { text: "!", classes: "ansi-red" },
    ]);
  });

  it("shows what was written last over a line", () => {
    expect(plain("10 %\r50 %\r100 %\r")).toBe("100 %");
  });

  it("skips the numbers of colours that it does not show", () => {
    expect(spans("\u001b[38;5;31mx\u001b[38;2;1;31;3my")).toEqual([
      { text: "x", classes: "" },
      { text: "y", classes: "" },
    ]);
  });

  it("keeps markup as text", () => {
    expect(spans("<script>alert(1)</script>")).toEqual([
      { text: "<script>alert(1)</script>", classes: "" },
    ]);
  });
});
