import { useEffect } from "react";

const SEQUENCE_MS = 1000;

/** Call a function for a key, or for two keys after each other (`g e`). Fields keep their keys. */
export function useShortcuts(actions: Record<string, () => void>): void {
  useEffect(() => {
    let before = "";
    let at = 0;
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target)) return;
      const both = event.timeStamp - at < SEQUENCE_MS ? `${before} ${event.key}` : "";
      const action = actions[both] ?? actions[event.key];
      before = event.key;
      at = event.timeStamp;
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  });
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, dialog") !== null;
}
