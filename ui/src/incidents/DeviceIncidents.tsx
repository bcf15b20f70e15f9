/** The incidents of one device, those that go on first. */

import type { Incident } from "../api/alerting";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { zone } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { incidentAddress } from "../state/route";
import { SeverityMark } from "./SeverityMark";
import { capital, costWords, stateWords, whenWords } from "./words";

export function DeviceIncidents({ incidents }: { incidents: readonly Incident[] }) {
  if (incidents.length === 0) return null;
  const ordered = [...incidents].sort(
    (a, b) =>
      Number(a.end !== null) - Number(b.end !== null) || Date.parse(b.start) - Date.parse(a.start),
  );
  return (
    <Card title="Incidents" aside="a click shows the evidence" class="flush" testId="incidents">
      <ul>
        {ordered.map((one) => (
          <li key={one.id}>
            <Link to={incidentAddress(one.id)} class={`incident-row ${one.state}`}>
              <SeverityMark severity={one.severity} />
              <span>
                <strong>{capital(one.title)}</strong>
                <small>{capital(whenWords(one.start, one.end, zone.value, nowMs.value))}</small>
              </span>
              <span class="number">
                {costWords(one).soFar ?? "–"}
                <small>{stateWords(one.state, one.silenced_until, zone.value, nowMs.value)}</small>
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}
