import { expect, it } from "vitest";

import { patched } from "./address";

it("replaces, repeats and removes parameters", () => {
  const text = patched(new URLSearchParams("a=1&tag=x&b=2"), { tag: ["x", "y=z"], b: null, c: "", d: "4" });
  expect(text.toString()).toBe("a=1&tag=x&tag=y%3Dz&d=4");
});
