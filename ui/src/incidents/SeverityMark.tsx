/** How soon a person should look: a shape and a word; the colour only says it again. */

import type { Severity } from "../api/alerting";
import { SEVERITY_WORDS } from "./words";

const BANDS: Record<Severity, string> = { critical: "red", warning: "yellow", info: "" };

export function SeverityMark({ severity }: { severity: Severity }) {
  return (
    <span class={`mark ${BANDS[severity]}`} data-severity={severity}>
      <i aria-hidden="true" />
      {SEVERITY_WORDS[severity]}
    </span>
  );
}
