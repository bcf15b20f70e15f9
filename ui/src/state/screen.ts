/** What the settings of the server say of the look of pages: colours of phases, limits, bands. */

import { effect, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { apiPath } from "../api/client";
import { type Fetched, useFetched } from "../api/fetching";
import type { PageSettings } from "../api/types";

/** Charts on a canvas draw themselves again when it changes. */
export const phaseColours = signal<PageSettings["phase_colours"]>("seed");

effect(() => {
  document.documentElement.dataset["phases"] = phaseColours.value;
});

export function usePageSettings(siteId: string | null): Fetched<PageSettings> {
  const fetched = useFetched<PageSettings>(
    siteId === null ? null : apiPath("/api/pages/settings", { site: siteId }),
  );
  const colours = fetched.answer?.phase_colours;
  useEffect(() => {
    if (colours !== undefined) phaseColours.value = colours;
  }, [colours]);
  return fetched;
}

const narrow = matchMedia("(max-width: 760px)");
/** Whether the page is laid out for a phone. */
export const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", () => {
  isNarrow.value = narrow.matches;
});
