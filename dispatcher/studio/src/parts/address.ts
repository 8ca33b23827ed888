import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";

export type Patch = Record<string, string | string[] | null>;

export interface Address {
  get: (name: string) => string;
  all: (name: string) => string[];
  set: (patch: Patch) => void;
}

/** The state of a page as parameters of its address, so that a link shows what its sender saw. */
export function useAddress(): Address {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const values = useMemo(() => new URLSearchParams(search), [search]);
  const set = useCallback(
    (patch: Patch) => {
      const text = patched(new URLSearchParams(search), patch).toString();
      navigate(text === "" ? path : `${path}?${text}`, { replace: true });
    },
    [search, path, navigate],
  );
  return {
    get: (name) => values.get(name) ?? "",
    all: (name) => values.getAll(name),
    set,
  };
}

/** Parameters with some of them replaced; an empty text, an empty list or null removes one. */
export function patched(values: URLSearchParams, patch: Patch): URLSearchParams {
  for (const [name, value] of Object.entries(patch)) {
    values.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== "") values.append(name, one);
    }
  }
  return values;
}
