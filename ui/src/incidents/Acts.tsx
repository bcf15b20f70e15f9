/** What a person can say to an incident or an alert: I know, not now, look again. */

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError, postJson } from "../api/client";
import { noteChange } from "../state/changes";

const SILENCES: readonly [hours: number, words: string][] = [
  [1, "1 hour"],
  [8, "8 hours"],
  [24, "1 day"],
  [168, "1 week"],
];

interface Props {
  /** Such as /api/incidents/17. */
  path: string;
  /** What it is about, for a screen reader. */
  name: string;
  state: string;
  /** Alerts cannot be opened again: their rule raises them. */
  canReopen?: boolean;
}

export function Acts({ path, name, state, canReopen = false }: Props) {
  const [isChoosing, setIsChoosing] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  // The button that was pressed goes away: the focus must not go with it.
  const hasFocus = useRef(false);
  useEffect(() => {
    if (!hasFocus.current) return;
    hasFocus.current = false;
    box.current?.querySelector<HTMLButtonElement>("button:enabled")?.focus();
  }, [isChoosing, state]);

  const act = async (deed: string, body?: unknown) => {
    setIsBusy(true);
    setError(null);
    try {
      hasFocus.current = true;
      await postJson(`${path}/${deed}`, body ?? {});
      setIsChoosing(false);
      noteChange();
    } catch (cause) {
      setError(cause instanceof ApiError ? cause.message : String(cause));
    }
    setIsBusy(false);
  };
  const choose = (isOpen: boolean) => {
    hasFocus.current = true;
    setIsChoosing(isOpen);
  };
  const isNew = state === "open" || state === "raised";
  const isOver = state === "cleared";
  return (
    <div class="acts" ref={box}>
      {isChoosing ? (
        <div class="acts-hours" role="group" aria-label={`Silence ${name} for`}>
          <span>Silence for</span>
          {SILENCES.map(([hours, words]) => (
            <button
              type="button"
              class="button"
              key={hours}
              disabled={isBusy}
              onClick={() => void act("silence", { hours })}
              data-testid={`silence-${hours}`}
            >
              {words}
            </button>
          ))}
          <button type="button" class="text-button" onClick={() => choose(false)}>
            Not now
          </button>
        </div>
      ) : (
        <>
          {isNew && (
            <button
              type="button"
              class="button strong"
              disabled={isBusy}
              aria-label={`Acknowledge ${name}`}
              onClick={() => void act("acknowledge")}
              data-testid="acknowledge"
            >
              Acknowledge
            </button>
          )}
          {!isOver && state !== "silenced" && (
            <button
              type="button"
              class="button"
              disabled={isBusy}
              aria-label={`Silence ${name}`}
              aria-expanded={false}
              onClick={() => choose(true)}
              data-testid="silence"
            >
              Silence
            </button>
          )}
          {canReopen && !isNew && !isOver && (
            <button
              type="button"
              class="button"
              disabled={isBusy}
              aria-label={`Open ${name} again`}
              onClick={() => void act("reopen")}
              data-testid="reopen"
            >
              Open again
            </button>
          )}
        </>
      )}
      {error !== null && (
        <p class="alert-text" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
