/** Alerts: what needs a person now, then the ways messages take, the rules, and what is over. */

import type { Alert, Channel, IncidentList } from "../api/alerting";
import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import { Failed, Waiting } from "../parts/States";
import { PageHead } from "../shell/PageHead";
import { useReloadOnChange } from "../state/changes";
import { ChannelsCard } from "./ChannelsCard";
import { HistoryCard } from "./HistoryCard";
import { alertsVerdict, mattersOf } from "./matters";
import { NowCard } from "./NowCard";
import { RulesCard } from "./RulesCard";

const REFRESH_MS = 10_000;
const MOST = 1000;

export function AlertsPage() {
  const incidents = useFetched<IncidentList>(
    apiPath("/api/incidents", { state: "active", limit: MOST }),
    REFRESH_MS,
  );
  const alerts = useFetched<{ alerts: Alert[] }>(
    apiPath("/api/alerts", { limit: MOST }),
    REFRESH_MS,
  );
  const channels = useFetched<{ channels: Channel[] }>("/api/channels", REFRESH_MS);
  useReloadOnChange(() => {
    incidents.reload();
    alerts.reload();
    channels.reload();
  });
  const error = incidents.error ?? alerts.error ?? channels.error;
  return (
    <>
      <PageHead title="Alerts" />
      {error !== null && (
        <Failed
          error={error}
          retry={() => {
            incidents.reload();
            alerts.reload();
            channels.reload();
          }}
        />
      )}
      {incidents.answer !== null && alerts.answer !== null ? (
        <Shown
          list={incidents.answer}
          alerts={alerts.answer.alerts}
          channels={channels.answer?.channels ?? null}
        />
      ) : (
        error === null && <Waiting height={240} />
      )}
    </>
  );
}

interface Props {
  list: IncidentList;
  alerts: Alert[];
  channels: Channel[] | null;
}

function Shown({ list, alerts, channels }: Props) {
  const matters = mattersOf(list.incidents, alerts);
  const verdict = alertsVerdict(matters, list.summary, channels ?? []);
  return (
    <>
      <p class="verdict-line" data-testid="verdict" data-good={verdict.isGood ? "yes" : "no"}>
        <strong class={verdict.isGood ? "" : "warn-text"}>{verdict.strong}</strong> {verdict.rest}
      </p>
      <NowCard matters={matters} />
      <RulesCard channels={channels ?? []} />
      {channels !== null && <ChannelsCard channels={channels} />}
      <HistoryCard />
    </>
  );
}
