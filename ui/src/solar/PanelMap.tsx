/** Every panel as a cell on one canvas: thousands cost one drawing, and one of them is pointed at. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Fleet, FleetDevice } from "../api/fleet";
import { useExtent } from "../charts/extent";
import { clockOf } from "../format/time";
import { Card } from "../parts/Card";
import { Link } from "../parts/Link";
import { devices, zone } from "../state/catalogue";
import { navigate } from "../state/route";
import { isNarrow } from "../state/screen";
import { isDark } from "../state/theme";
import { addressOfDevice } from "./addressOfDevice";
import { drawMap } from "./drawMap";
import { cellAt, type Direction, layoutMap, neighbourOf } from "./mapLayout";
import { countStates, type Filter, groupsOf, matches, type Parent, shareOf, STATES } from "./order";
import { StateMark } from "./StateMark";
import { deviceWords, STATE_WORDS } from "./words";

const MOST_HEIGHT = 340;
/** A finger hits what is near it [CSS px]. */
const FINGER_PX = 14;
const TIP_WIDTH = 260;
const FULLNESS = {
  day: "how full a cell is: its share of what is expected",
  night: "a corner marks what loses by day",
};
const KEYS: Record<string, Direction> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  Home: "first",
  End: "last",
};

interface Props {
  fleet: Fleet;
  filter: Filter;
  /** In lower case. */
  text: string;
}

export function PanelMap({ fleet, filter, text }: Props) {
  const count = countStates(fleet.devices);
  return (
    <Card
      title="Map"
      aside={`${FULLNESS[fleet.is_day ? "day" : "night"]}, ${clockOf(Date.parse(fleet.as_of), zone.value)}`}
      testId="map"
    >
      <ul class="map-legend">
        {STATES.filter((state) => count[state] > 0).map((state) => (
          <li key={state}>
            <StateMark state={state} level={state === "low" ? 0.5 : 1} />
            {STATE_WORDS[state]}
          </li>
        ))}
      </ul>
      <Cells fleet={fleet} filter={filter} text={text} />
    </Card>
  );
}

function Cells({ fleet, filter, text }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const isTouch = useRef(false);
  const { width } = useExtent(box);
  const [pointed, setPointed] = useState(-1);
  const [focused, setFocused] = useState(-1);
  const parents = devices.value;
  const layout = useMemo(() => {
    const known = new Map<string, Parent>((parents ?? []).map((one) => [one.id, one]));
    return layoutMap(groupsOf(fleet.devices, known), width, MOST_HEIGHT);
  }, [fleet, parents, width]);
  const dark = isDark.value;

  useEffect(() => {
    if (canvas.current === null || width === 0) return;
    drawMap(canvas.current, layout, width, (cell) => matches(cell.device, filter, text));
  }, [layout, width, filter, text, dark]);

  const placeOf = (event: PointerEvent | MouseEvent): number => {
    const room = canvas.current?.getBoundingClientRect();
    if (room === undefined) return -1;
    const reach = isTouch.current ? FINGER_PX : 0;
    return cellAt(layout, event.clientX - room.left, event.clientY - room.top, reach);
  };
  const open = (index: number) => {
    const device = layout.cells[index]?.device;
    if (device !== undefined) navigate(addressOfDevice(device));
  };
  const click = (event: MouseEvent) => {
    const index = placeOf(event);
    if (index < 0) return setPointed(-1);
    setFocused(index);
    // The first touch says what it is, and the tip leads on.
    if (isTouch.current && index !== pointed) setPointed(index);
    else open(index);
  };
  const key = (event: KeyboardEvent) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      return open(focused);
    }
    if (event.key === "Escape") return setPointed(-1);
    const direction = KEYS[event.key];
    if (direction === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = focused < 0 ? 0 : neighbourOf(layout, focused, direction);
    setFocused(next);
    setPointed(next);
  };

  const shown = layout.cells[pointed];
  const active = layout.cells[focused];
  return (
    <div class="map" ref={box} style={{ height: `${layout.height}px` }}>
      <div
        class="map-room"
        role="listbox"
        tabIndex={0}
        aria-label={`Map of ${layout.cells.length} devices: arrow keys move, Enter opens`}
        aria-activedescendant={active === undefined ? undefined : "map-active"}
        data-testid="map-cells"
        data-cells={layout.cells.length}
        data-size={layout.size}
        onKeyDown={key}
        onFocus={(event) => {
          if (!event.currentTarget.matches(":focus-visible")) return;
          const first = Math.max(0, focused);
          setFocused(first);
          setPointed(first);
        }}
        onBlur={() => {
          // A finger on the tip takes the focus away from the map, and still needs the tip.
          if (!isTouch.current) setPointed(-1);
        }}
        onPointerDown={(event) => {
          isTouch.current = event.pointerType === "touch";
        }}
        onPointerMove={(event) => {
          if (event.pointerType !== "touch") setPointed(placeOf(event));
        }}
        onPointerLeave={(event) => {
          if (event.pointerType !== "touch") setPointed(-1);
        }}
        onClick={click}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {active !== undefined && (
          <span
            class="unseen"
            role="option"
            id="map-active"
            aria-selected="true"
            aria-setsize={layout.cells.length}
            aria-posinset={focused + 1}
          >
            {active.device.name}: {deviceWords(active.device, fleet.currency)}
          </span>
        )}
      </div>
      {shown !== undefined && (
        <>
          <i
            class="map-ring"
            aria-hidden="true"
            style={{
              left: `${shown.x}px`,
              top: `${shown.y}px`,
              width: `${layout.size}px`,
              height: `${layout.size}px`,
            }}
          />
          <Tip
            device={shown.device}
            currency={fleet.currency}
            left={Math.max(0, Math.min(shown.x - 20, width - TIP_WIDTH))}
            top={shown.y + layout.size + 8}
          />
        </>
      )}
    </div>
  );
}

interface TipProps {
  device: FleetDevice;
  currency: string | null;
  left: number;
  top: number;
}

function Tip({ device, currency, left, top }: TipProps) {
  return (
    <div
      class="map-tip"
      data-testid="map-tip"
      data-device={device.id}
      style={{ left: `${left}px`, top: `${top}px`, width: `${TIP_WIDTH}px` }}
    >
      <strong>
        <StateMark state={device.state} level={shareOf(device)} />
        {device.name}
      </strong>
      <p>{deviceWords(device, currency)}</p>
      {isNarrow.value && (
        <Link to={addressOfDevice(device)} class="map-tip-open">
          {device.incident === null ? "Open the device" : "Open the incident"}
        </Link>
      )}
    </div>
  );
}
