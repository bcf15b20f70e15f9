/** How a page looks while it waits, when it has nothing, and when something failed. */

import type { ComponentChildren } from "preact";

import type { ApiError } from "../api/client";

/** Holds the place of what is coming, so that nothing jumps. */
export function Waiting({ height }: { height: number }) {
  return (
    <div class="waiting" style={{ height: `${height}px` }} role="status">
      <span class="unseen">Loading</span>
    </div>
  );
}

export function Failed({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="failed" role="alert" data-testid="error">
      <p>
        <strong>This could not be loaded.</strong> {error.message}
      </p>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Nothing({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="nothing">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}
