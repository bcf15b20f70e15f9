/** What a person changed on this page: everything that shows it asks again. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** Counts the acts on incidents, alerts and rules. */
const changes = signal(0);

export function noteChange(): void {
  changes.value += 1;
}

/** Asks again after each act. */
export function useReloadOnChange(reload: () => void): void {
  const count = changes.value;
  const known = useRef(count);
  useEffect(() => {
    if (known.current === count) return;
    known.current = count;
    reload();
  }, [count]);
}
