/** What is over: when it was, how long, what it cost, and whether it was told. */

import type { Alert, IncidentList } from "../api/alerting";
import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import { SeverityMark } from "../incidents/SeverityMark";
import { capital, costWords, whenWords } from "../incidents/words";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { Failed, Nothing, Waiting } from "../parts/States";
import { zone } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { useReloadOnChange } from "../state/changes";
import { isNarrow } from "../state/screen";
import { addressOfMatter } from "./addressOfMatter";
import { Deliveries } from "./Deliveries";
import { mattersOf, rankHistory } from "./matters";

const REFRESH_MS = 60_000;
const MOST = 500;
const ROW_PX = 60;
const NARROW_ROW_PX = 140;

export function HistoryCard() {
  const over = { state: "cleared", limit: MOST };
  const fetched = useFetched<IncidentList>(apiPath("/api/incidents", over), REFRESH_MS);
  const told = useFetched<{ alerts: Alert[] }>(apiPath("/api/alerts", over), REFRESH_MS);
  useReloadOnChange(() => {
    fetched.reload();
    told.reload();
  });
  const incidents = fetched.answer?.incidents ?? [];
  const alerts = told.answer?.alerts ?? [];
  const error = fetched.error ?? told.error;
  const soFar = new Map(incidents.map((one) => [one.id, costWords(one).soFar]));
  const rows = rankHistory(mattersOf(incidents, alerts));
  return (
    <Card title="History" aside="what is over, the latest first" class="flush" testId="history">
      {error !== null && fetched.answer === null ? (
        <Failed error={error} retry={fetched.reload} />
      ) : fetched.answer === null || told.answer === null ? (
        <Waiting height={120} />
      ) : rows.length === 0 ? (
        <Nothing title="Nothing is over yet." />
      ) : (
        <LongList
          rows={rows}
          rowHeight={isNarrow.value ? NARROW_ROW_PX : ROW_PX}
          keyOf={(one) => one.key}
          render={(one) => (
            <div class="matter-row over" data-testid="past">
              <span class="matter-mark">
                <SeverityMark severity={one.severity} />
              </span>
              <Link to={addressOfMatter(one)} class="matter-link">
                <strong>
                  {one.deviceName}: {one.title}
                </strong>
                <small>{capital(whenWords(one.start, one.end, zone.value, nowMs.value))}</small>
              </Link>
              <Deliveries deliveries={one.deliveries} />
              <span class="number">{soFar.get(one.incident ?? "") ?? ""}</span>
            </div>
          )}
        />
      )}
    </Card>
  );
}
