/** What goes on: first what needs a person, then what somebody knows of. */

import { formatMoney } from "../format/money";
import { formatCount, formatValue } from "../format/number";
import { Acts } from "../incidents/Acts";
import { SeverityMark } from "../incidents/SeverityMark";
import { capital, stateWords, whenWords } from "../incidents/words";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { Nothing } from "../parts/States";
import { zone } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { isNarrow } from "../state/screen";
import { addressOfMatter } from "./addressOfMatter";
import { Deliveries } from "./Deliveries";
import { type Matter, needsPerson, rankMatters } from "./matters";

const ROW_PX = 92;
const NARROW_ROW_PX = 210;

export function NowCard({ matters }: { matters: readonly Matter[] }) {
  const open = rankMatters(matters.filter(needsPerson));
  const known = rankMatters(matters.filter((one) => !needsPerson(one)));
  return (
    <>
      <Card
        title="Needs a person now"
        aside={open.length > 0 ? formatCount(open.length) : undefined}
        class="flush"
        testId="now"
      >
        {open.length === 0 ? (
          <Nothing title="Nothing needs a person now.">
            {known.length > 0
              ? "What goes on is known or silenced."
              : "No rule holds, and no device loses anything that is known."}
          </Nothing>
        ) : (
          <Rows matters={open} />
        )}
      </Card>
      {known.length > 0 && (
        <Card
          title="Known and silenced"
          aside={formatCount(known.length)}
          class="flush"
          testId="known"
        >
          <Rows matters={known} />
        </Card>
      )}
    </>
  );
}

function Rows({ matters }: { matters: readonly Matter[] }) {
  return (
    <LongList
      rows={matters}
      rowHeight={isNarrow.value ? NARROW_ROW_PX : ROW_PX}
      keyOf={(one) => one.key}
      render={(one) => <Row one={one} />}
    />
  );
}

function Row({ one }: { one: Matter }) {
  const when = whenWords(one.start, one.end, zone.value, nowMs.value);
  const state = needsPerson(one)
    ? ""
    : ` · ${stateWords(one.state, one.silencedUntil, zone.value, nowMs.value)}`;
  return (
    <div
      class={`matter-row ${one.state}`}
      data-testid="matter"
      data-key={one.key}
      data-state={one.state}
    >
      <span class="matter-mark">
        <SeverityMark severity={one.severity} />
        <Loss one={one} />
      </span>
      <Link to={addressOfMatter(one)} class="matter-link">
        <strong>
          {one.deviceName}: {one.title}
        </strong>
        <small>
          {capital(when)}
          {state}
        </small>
        <span class="matter-detail" title={one.detail}>
          {one.detail}
        </span>
      </Link>
      <Deliveries deliveries={one.deliveries} />
      <Acts
        path={one.path}
        name={`${one.deviceName}: ${one.title}`}
        state={one.state}
        canReopen={one.incident !== null}
      />
    </div>
  );
}

function Loss({ one }: { one: Matter }) {
  if (one.lostKwhPerDay <= 0) return null;
  const energy = formatValue(one.lostKwhPerDay * 1000, "Wh");
  const words =
    one.lostMoneyPerDay === null ? energy : formatMoney(one.lostMoneyPerDay, one.currency);
  return <small class="number">{words} a day</small>;
}
