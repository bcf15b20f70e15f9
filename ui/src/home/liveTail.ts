/** The live values since the last answer of the server. */

import { useEffect, useRef, useState } from "preact/hooks";

import { onNow } from "../api/live";
import type { Now } from "../api/types";

const MOST_POINTS = 1200;

/** Every set of live values heard while the component is shown. */
export function useHeard(): readonly Now[] {
  const heard = useRef<Now[]>([]);
  const [, setCount] = useState(0);
  useEffect(
    () =>
      onNow((newest) => {
        if (newest.at === null || newest.is_stale || newest.at === heard.current.at(-1)?.at) return;
        heard.current = [...heard.current.slice(-MOST_POINTS), newest];
        setCount((n) => n + 1);
      }),
    [],
  );
  return heard.current;
}
