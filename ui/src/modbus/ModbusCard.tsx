/** How every Modbus meter answers, what was left out, and the way to add one. */

import { useState } from "preact/hooks";

import { useFetched } from "../api/fetching";
import type { DescribedMeter, Health, MeterBook, MeterLink } from "../api/types";
import { formatCount, formatCounted } from "../format/number";
import { formatAge } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { LongList } from "../parts/LongList";
import { devices } from "../state/catalogue";
import { nowMs } from "../state/clock";
import { AddMeter, type EditedMeter } from "./AddMeter";

const REFRESH_MS = 5_000;
const ROW_PX = 56;

export const LINK_WORDS: Record<MeterLink["state"], string> = {
  online: "answers",
  offline: "does not answer",
  starting: "being asked",
  refused: "refuses",
};

/** Nothing where no source polls meters. */
export function ModbusCard() {
  const health = useFetched<Health>("/api/health", REFRESH_MS);
  const sources = (health.answer?.sources ?? []).filter((one) => one.kind === "modbus");
  const book = useFetched<MeterBook>(sources.length > 0 ? "/api/meters" : null, 3 * REFRESH_MS);
  const [isAdding, setIsAdding] = useState(false);
  const [edited, setEdited] = useState<EditedMeter | null>(null);
  if (sources.length === 0) return null;
  const links = sources.flatMap((one) => one.meters ?? []);
  const bad = links.filter((one) => one.state === "offline" || one.state === "refused").length;
  const open = (meter: EditedMeter) => {
    setIsAdding(false);
    setEdited(meter);
  };
  return (
    <>
      <Card
        title="Modbus"
        aside={`${formatCounted(links.length, "meter")}${bad > 0 ? `, ${formatCount(bad)} without an answer` : ""}`}
        class="flush"
        testId="modbus"
        actions={
          <button
            type="button"
            class="text-button"
            aria-expanded={isAdding}
            onClick={() => {
              setIsAdding(!isAdding);
              setEdited(null);
            }}
            data-testid="add-meter"
          >
            {isAdding ? "Close" : "Add a meter"}
          </button>
        }
      >
        <div class="link-head" aria-hidden="true">
          <span>meter</span>
          <span>where</span>
          <span>state</span>
          <span class="number">last answer</span>
          <span class="number">polls, failed</span>
        </div>
        <LongList
          rows={[...links].sort((a, b) => rank(a) - rank(b))}
          rowHeight={ROW_PX}
          keyOf={(one) => `${one.device} ${one.endpoint} ${one.unit}`}
          render={(one) => {
            const meter = editable(book.answer?.meters ?? [], one.device);
            return <LinkRow link={one} {...(meter === null ? {} : { onEdit: () => open(meter) })} />;
          }}
        />
        {(book.answer?.faults ?? []).map((one) => (
          <p class="left-out" key={`${one.table} ${one.row} ${one.reason}`}>
            <strong class="warn-text">Left out:</strong> {one.table} {one.row}: {one.reason}
          </p>
        ))}
      </Card>
      {isAdding && <AddMeter onAdded={book.reload} />}
      {edited !== null && (
        <AddMeter
          key={edited.id}
          edited={edited}
          onAdded={() => {
            book.reload();
            setEdited(null);
          }}
        />
      )}
    </>
  );
}

/** A meter of the tables; those of the settings are changed there only. */
function editable(meters: readonly DescribedMeter[], device: string): EditedMeter | null {
  const found = meters.find((one) => one.id === device);
  return found?.row ? { id: found.id, row: found.row } : null;
}

/** Those that need a look come first. */
function rank(link: MeterLink): number {
  return { refused: 0, offline: 1, starting: 2, online: 3 }[link.state] ?? 4;
}

function LinkRow({ link, onEdit }: { link: MeterLink; onEdit?: () => void }) {
  // Read so that the ages count on each second.
  const ago = link.last_ok_at === null ? null : (nowMs.value - Date.parse(link.last_ok_at)) / 1000;
  const name = devices.value?.find((one) => one.id === link.device)?.name ?? link.device;
  const faults = Object.entries(link.faults)
    .map(([kind, count]) => `${kind} ${formatCount(count)}`)
    .join(", ");
  return (
    <div class="link-row" data-testid={`link-${link.device}`} data-state={link.state}>
      <Link to={`/devices/${encodeURIComponent(link.device)}`} class="meter-link">
        <strong>{name}</strong>
        <small>{link.type ?? link.device}</small>
      </Link>
      <span>
        <span class="mono">{link.endpoint}</span>
        <small>
          unit {link.unit}
          {onEdit !== undefined && (
            <>
              {" · "}
              <button
                type="button"
                class="text-button"
                aria-label={`Change ${name}`}
                onClick={onEdit}
                data-testid={`edit-${link.device}`}
              >
                Change
              </button>
            </>
          )}
        </small>
      </span>
      <span class={`meter-state ${link.state === "online" ? "ok" : link.state === "starting" ? "" : "offline"}`}>
        <i class="chip-dot" aria-hidden="true" />
        <span>
          {LINK_WORDS[link.state] ?? link.state}
          <small title={link.detail ?? faults}>{link.detail || (faults ? `so far ${faults}` : "no fault so far")}</small>
        </span>
      </span>
      <span class="number">{ago === null ? "never" : `${formatAge(ago)} ago`}</span>
      <span class="number">
        {formatCount(link.polls)}
        <small>
          {formatCount(link.failed)} failed
          {link.skipped > 0 && `, ${formatCount(link.skipped)} skipped`}
        </small>
      </span>
    </div>
  );
}
