/** Incidents, alerts or rules have changed, here or at the server: what shows them asks again. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

const changes = signal(0);

export function noteChange(): void {
  changes.value += 1;
}

/** Asks again after each change. */
export function useReloadOnChange(reload: () => void): void {
  const count = changes.value;
  const known = useRef(count);
  useEffect(() => {
    if (known.current === count) return;
    known.current = count;
    reload();
  }, [count]);
}
