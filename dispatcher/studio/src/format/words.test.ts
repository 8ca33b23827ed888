import { expect, it } from "vitest";

import { joinArguments, splitArguments } from "./words";

it("splits as a shell does", () => {
  expect(splitArguments(`--lr 0.1 "a b" 'c "d"' e\\ f ''`)).toEqual([
    "--lr", "0.1", "a b", 'c "d"', "e f", "",
  ]);
  expect(splitArguments("'open")).toBeNull();
  expect(splitArguments("  ")).toEqual([]);
});

it("joins words so that they split into themselves", () => {
  const words = ["--name", "it's", "a b", "", "x=1", '"', "\\", "$HOME"];
  expect(splitArguments(joinArguments(words))).toEqual(words);
});
