/** An incident over the page it was opened from; its address shows the same to whoever gets it. */

import { useEffect, useRef } from "preact/hooks";

import type { Incident } from "../api/alerting";
import { useFetched } from "../api/fetching";
import { later } from "../parts/later";
import { Failed, Waiting } from "../parts/States";
import { shownPath } from "../shell/entries";
import { CloseIcon } from "../shell/icons";
import { useReloadOnChange } from "../state/changes";
import { closeIncident, openedIncident } from "../state/route";

const IncidentView = later(async () => (await import("./IncidentView")).IncidentView, 420);
const REFRESH_MS = 30_000;

export function IncidentDrawer() {
  const id = openedIncident.value;
  return id === null ? null : <Drawer key={id} id={id} />;
}

function Drawer({ id }: { id: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const close = () => closeIncident(shownPath.peek());
  return (
    <dialog
      ref={dialog}
      class="drawer"
      aria-label="Incident"
      data-testid="incident"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        // A click beside the drawer hits the dialog itself.
        if (event.target === event.currentTarget) close();
      }}
    >
      <div class="drawer-inner">
        <button
          type="button"
          class="icon-button drawer-close"
          aria-label="Close"
          onClick={close}
          data-testid="incident-close"
        >
          <CloseIcon />
        </button>
        <Loaded id={id} />
      </div>
    </dialog>
  );
}

function Loaded({ id }: { id: string }) {
  const fetched = useFetched<Incident>(`/api/incidents/${encodeURIComponent(id)}`, REFRESH_MS);
  useReloadOnChange(fetched.reload);
  if (fetched.answer !== null) return <IncidentView incident={fetched.answer} />;
  return (
    <>
      <h2 class="drawer-title">Incident</h2>
      {fetched.error !== null ? (
        <Failed error={fetched.error} retry={fetched.reload} />
      ) : (
        <Waiting height={420} />
      )}
    </>
  );
}
