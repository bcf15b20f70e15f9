import { useMemo } from "preact/hooks";

import type { Incident, IncidentList } from "../api/alerting";
import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import { useReloadOnChange } from "../state/changes";

const REFRESH_MS = 30_000;
const MOST_OVER = 20;
const NONE: Incident[] = [];

/** The incidents of a device: those that go on, and the latest that are over. */
export function useDeviceIncidents(device: string): Incident[] {
  const going = useFetched<IncidentList>(
    apiPath("/api/incidents", { device, state: "active" }),
    REFRESH_MS,
  );
  const over = useFetched<IncidentList>(
    apiPath("/api/incidents", { device, state: "cleared", limit: MOST_OVER }),
    REFRESH_MS,
  );
  useReloadOnChange(() => {
    going.reload();
    over.reload();
  });
  return useMemo(
    () => [...(going.answer?.incidents ?? NONE), ...(over.answer?.incidents ?? NONE)],
    [going.answer, over.answer],
  );
}
