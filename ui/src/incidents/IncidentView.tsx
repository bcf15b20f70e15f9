/** One incident: what it costs, why, what to do, what was seen, and what a person says to it. */

import { useState } from "preact/hooks";

import type { Incident } from "../api/alerting";
import { useFetched } from "../api/fetching";
import type { Device } from "../api/types";
import { mainValue } from "../devices/tree";
import { formatShare } from "../format/number";
import { spanInWords } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { nowMs } from "../state/clock";
import type { Span } from "../state/view";
import { Acts } from "./Acts";
import { EvidenceChart } from "./EvidenceChart";
import { FindingsTable } from "./FindingsTable";
import { POWERS, powerOf } from "./powers";
import { SeverityMark } from "./SeverityMark";
import { daysInWords, evidenceSpan } from "./span";
import { capital, costWords, stateWords, whenWords } from "./words";

export function IncidentView({ incident }: { incident: Incident }) {
  const now = nowMs.value;
  const cost = costWords(incident);
  const goesOn = incident.end === null;
  return (
    <>
      <header class="incident-head">
        <p class="incident-marks">
          <SeverityMark severity={incident.severity} />
          <span
            class={`state-tag ${incident.state}`}
            data-testid="incident-state"
            data-state={incident.state}
          >
            {stateWords(incident.state, incident.silenced_until, zone.value, now)}
          </span>
        </p>
        <h2 class="drawer-title">
          <Link to={`/devices/${encodeURIComponent(incident.device)}`}>{incident.device_name}</Link>
          {": "}
          {incident.title}
        </h2>
        <p class="muted">{capital(whenWords(incident.start, incident.end, zone.value, now))}</p>
      </header>
      <dl class="incident-cost" data-testid="incident-cost">
        <div>
          <dt>{goesOn ? "loses a day" : "lost a day"}</dt>
          <dd>{cost.perDay ?? "nothing that is known"}</dd>
        </div>
        <div>
          <dt>{goesOn ? "so far" : "in all"}</dt>
          <dd>{cost.soFar ?? "nothing that is known"}</dd>
        </div>
      </dl>
      <section class="advice" aria-label="What to do">
        <h3>What to do</h3>
        <p data-testid="recommendation">{incident.recommendation}</p>
        <Acts
          path={`/api/incidents/${encodeURIComponent(incident.id)}`}
          name={`${incident.device_name}: ${incident.title}`}
          state={incident.state}
          canReopen
        />
      </section>
      <Evidence incident={incident} />
      <Causes incident={incident} />
      <Card title="What was seen" aside="numbered as in the chart" class="flush" testId="findings">
        <FindingsTable findings={incident.findings} />
      </Card>
    </>
  );
}

function Evidence({ incident }: { incident: Incident }) {
  const fetched = useFetched<Device>(`/api/devices/${encodeURIComponent(incident.device)}`);
  const [zoomed, setZoomed] = useState<Span | null>(null);
  const device = fetched.answer;
  // A device that was taken out has no chart any more; its findings still tell.
  if (device === null) return fetched.error === null ? <Waiting height={300} /> : null;
  const whole = evidenceSpan(incident, zone.value, nowMs.peek());
  const told = incident.findings.map((one) => one.quantity).filter((one) => one !== "");
  // What was lost shows in the power; only where nothing is about it, the first finding's is shown.
  const quantity =
    told.find((one) => POWERS.includes(one)) ??
    told[0] ??
    powerOf(device) ??
    mainValue(device)?.name;
  if (quantity === undefined) return null;
  return (
    <EvidenceChart
      device={device}
      span={zoomed ?? whole}
      findings={incident.findings}
      quantity={quantity}
      title="Evidence"
      testId="evidence"
      when={
        zoomed === null
          ? daysInWords(whole, zone.value)
          : spanInWords(zoomed.start, zoomed.end, zone.value)
      }
      goesOn={incident.end === null}
      onZoom={(span) => setZoomed(span === null ? null : within(span, whole))}
    />
  );
}

function within(span: Span, whole: Span): Span | null {
  const cut = { start: Math.max(span.start, whole.start), end: Math.min(span.end, whole.end) };
  const isAll = cut.start === whole.start && cut.end === whole.end;
  return isAll || cut.end <= cut.start ? null : cut;
}

/** The likeliest first, each as long as its share of the evidence. */
function Causes({ incident }: { incident: Incident }) {
  return (
    <Card title="Why" aside="share of the evidence" testId="causes">
      <ul class="causes">
        {incident.causes.map((cause) => (
          <li key={cause.name} data-cause={cause.name}>
            <span>{capital(cause.title)}</span>
            <b class="number">{formatShare(cause.share)}</b>
            <span class="cause-bar" aria-hidden="true">
              <i style={{ width: `${cause.share * 100}%` }} />
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
