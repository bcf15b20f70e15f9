/** A part that is fetched when it is first shown, so that the first view stays small. */

import type { FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ApiError } from "../api/client";
import { Failed, Waiting } from "./States";

/**
 * @param load fetches the part; called again after a failure
 * @param height of the place that is held meanwhile [CSS px]
 */
export function later<Props extends object>(
  load: () => Promise<FunctionComponent<Props>>,
  height: number,
): FunctionComponent<Props> {
  let known: FunctionComponent<Props> | null = null;
  return function Later(props: Props) {
    const [turn, setTurn] = useState(0);
    const [error, setError] = useState<ApiError | null>(null);
    const [, setIsKnown] = useState(known !== null);
    useEffect(() => {
      if (known !== null) return;
      let isGone = false;
      setError(null);
      load().then(
        (part) => {
          known = part;
          if (!isGone) setIsKnown(true);
        },
        () => {
          if (!isGone)
            setError(new ApiError("part", "A part of the page did not arrive: reload the page."));
        },
      );
      return () => {
        isGone = true;
      };
    }, [turn]);
    if (known !== null) {
      const Part = known;
      return <Part {...props} />;
    }
    if (error !== null) return <Failed error={error} retry={() => setTurn(turn + 1)} />;
    return <Waiting height={height} />;
  };
}
