/** Loads one address for a component: keeps the old answer while a newer one is on its way. */

import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError, getJson } from "./client";

export interface Fetched<Answer> {
  /** The newest answer for this address, or null. */
  answer: Answer | null;
  error: ApiError | null;
  isLoading: boolean;
  reload: () => void;
}

/**
 * @param path address to read; null reads nothing
 * @param refreshMs how often to read again; 0 for once
 */
export function useFetched<Answer>(path: string | null, refreshMs = 0): Fetched<Answer> {
  const [state, setState] = useState<{
    path: string | null;
    answer: Answer | null;
    error: ApiError | null;
  }>({ path: null, answer: null, error: null });
  const [turn, setTurn] = useState(0);
  const latest = useRef(path);
  latest.current = path;

  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;

    const read = async () => {
      try {
        const answer = await getJson<Answer>(path, abort.signal);
        if (!abort.signal.aborted) setState({ path, answer, error: null });
      } catch (cause) {
        if (abort.signal.aborted) return;
        const error = cause instanceof ApiError ? cause : new ApiError("page", String(cause));
        setState((old) => ({ path, answer: old.path === path ? old.answer : null, error }));
      }
      if (refreshMs > 0 && !abort.signal.aborted) timer = setTimeout(readIfSeen, refreshMs);
    };
    // A page nobody looks at asks for nothing; it catches up when it is looked at again.
    const readIfSeen = () => {
      if (document.hidden)
        document.addEventListener("visibilitychange", readIfSeen, { once: true });
      else void read();
    };
    void read();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", readIfSeen);
    };
  }, [path, refreshMs, turn]);

  const isCurrent = state.path === path;
  return {
    answer: isCurrent ? state.answer : null,
    error: isCurrent ? state.error : null,
    isLoading: path !== null && !(isCurrent && (state.answer !== null || state.error !== null)),
    reload: () => setTurn((n) => n + 1),
  };
}
