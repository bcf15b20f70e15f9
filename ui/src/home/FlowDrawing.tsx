/** The energy-flow drawing: solar above, grid left, home right, battery below when there is one. */

import { useEffect, useRef } from "preact/hooks";

import { formatDecimal, scaleValue, THIN_SPACE } from "../format/number";
import { prefersStill } from "../state/theme";
import { IDLE_BELOW_W, shareFlows, travelSeconds, type Flows } from "./flows";

interface DrawingProps {
  powers: {
    grid_w: number | null;
    solar_w: number | null;
    home_w: number | null;
    battery_w: number | null;
    battery_soc_pct: number | null;
  };
  hasSolar: boolean;
  hasBattery: boolean;
  isOld: boolean;
  words: string;
}

interface Line {
  key: keyof Flows;
  role: string;
  path: string;
  needs: "solar" | "battery" | "both" | null;
}

/** Every line runs in the direction of its power; the arrow at its end says so without motion. */
const LINES: readonly Line[] = [
  { key: "solarToHome", role: "solar", needs: "solar", path: "M209 104V148Q209 180 241 180H276" },
  {
    key: "solarToGrid",
    role: "grid-out",
    needs: "solar",
    path: "M191 104V148Q191 180 159 180H124",
  },
  { key: "gridToHome", role: "grid-in", needs: null, path: "M118 192H276" },
  { key: "solarToBattery", role: "solar", needs: "both", path: "M200 104V240" },
  {
    key: "gridToBattery",
    role: "grid-in",
    needs: "battery",
    path: "M116 204H159Q191 204 191 236V242",
  },
  {
    key: "batteryToHome",
    role: "battery",
    needs: "battery",
    path: "M209 254V236Q209 204 241 204H278",
  },
  {
    key: "batteryToGrid",
    role: "battery",
    needs: "battery",
    path: "M191 254V236Q191 204 159 204H124",
  },
];

function isDrawn(line: Line, hasSolar: boolean, hasBattery: boolean): boolean {
  const solarFits = hasSolar || (line.needs !== "solar" && line.needs !== "both");
  const batteryFits = hasBattery || (line.needs !== "battery" && line.needs !== "both");
  return solarFits && batteryFits;
}

export function FlowDrawing({ powers, hasSolar, hasBattery, isOld, words }: DrawingProps) {
  const flows = shareFlows({
    gridW: powers.grid_w,
    solarW: powers.solar_w,
    batteryW: powers.battery_w,
  });
  const moves = !isOld && !prefersStill.value;
  const top = hasSolar ? 0 : 118;
  const bottom = hasBattery ? 336 : 252;
  const gridW = powers.grid_w;
  const gridRole = gridW !== null && gridW <= -IDLE_BELOW_W ? "grid-out" : "grid-in";
  const gridWord =
    gridW === null
      ? "grid"
      : Math.abs(gridW) < IDLE_BELOW_W
        ? "grid"
        : gridW < 0
          ? "to grid"
          : "from grid";
  const drawn = LINES.filter((line) => isDrawn(line, hasSolar, hasBattery));
  const isActive = (line: Line) => flows !== null && flows[line.key] >= IDLE_BELOW_W;

  return (
    <svg
      class={`flow${isOld ? " old" : ""}`}
      viewBox={`0 ${top} 400 ${bottom - top}`}
      role="img"
      aria-label={words}
      data-testid="flow-drawing"
      data-moving={moves ? "yes" : "no"}
    >
      <defs>
        {["solar", "grid-in", "grid-out", "battery"].map((role) => (
          <marker
            key={role}
            id={`arrow-${role}`}
            viewBox="0 0 8 8"
            refX="2"
            refY="4"
            markerWidth="9"
            markerHeight="9"
            markerUnits="userSpaceOnUse"
            orient="auto"
          >
            <path d="M0 0 8 4 0 8z" class={`fill-${role}`} />
          </marker>
        ))}
      </defs>
      {drawn
        .filter((line) => !isActive(line))
        .map((line) => (
          <path key={line.key} d={line.path} class="flow-line idle" />
        ))}
      {drawn.filter(isActive).map((line) => (
        <g key={line.key} data-testid={`flow-${line.key}`}>
          <path
            d={line.path}
            class={`flow-line stroke-${line.role}`}
            marker-end={`url(#arrow-${line.role})`}
          />
          {moves && <Dots path={line.path} role={line.role} powerW={flows?.[line.key] ?? 0} />}
        </g>
      ))}
      {hasSolar && (
        <Node
          x={200}
          y={58}
          r={45}
          role="solar"
          value={powers.solar_w}
          word="solar"
          isIdle={(powers.solar_w ?? 0) < IDLE_BELOW_W}
        />
      )}
      <Node
        x={68}
        y={190}
        r={49}
        role={gridRole}
        value={gridW === null ? null : Math.abs(gridW)}
        word={gridWord}
        isIdle={Math.abs(gridW ?? 0) < IDLE_BELOW_W}
      />
      <Node x={332} y={190} r={49} role="home" value={powers.home_w} word="home" isIdle={false} />
      {hasBattery && <BatteryNode powerW={powers.battery_w} chargePct={powers.battery_soc_pct} />}
    </svg>
  );
}

interface NodeProps {
  x: number;
  y: number;
  r: number;
  role: string;
  value: number | null;
  word: string;
  isIdle: boolean;
}

function Node({ x, y, r, role, value, word, isIdle }: NodeProps) {
  const scaled = scaleValue(value, "W");
  return (
    <g
      data-testid={`node-${role.startsWith("grid") ? "grid" : role}`}
      data-value={value ?? undefined}
    >
      <circle cx={x} cy={y} r={r} class={`flow-node stroke-${role}${isIdle ? " idle" : ""}`} />
      <text x={x} y={y + 2} class="flow-number">
        {scaled.number}
      </text>
      <text x={x} y={y + 20} class="flow-unit">{`${scaled.unit || "unknown"} ${word}`}</text>
    </g>
  );
}

function BatteryNode({ powerW, chargePct }: { powerW: number | null; chargePct: number | null }) {
  const isIdle = powerW !== null && Math.abs(powerW) < IDLE_BELOW_W;
  const scaled = scaleValue(powerW === null ? null : Math.abs(powerW), "W");
  const charge = chargePct === null ? "" : `${formatDecimal(chargePct, 0)}${THIN_SPACE}%`;
  const way = isIdle || powerW === null ? "battery" : powerW > 0 ? "charging" : "giving";
  return (
    <g data-testid="node-battery" data-value={powerW ?? undefined}>
      <circle cx={200} cy={290} r={42} class={`flow-node stroke-battery${isIdle ? " idle" : ""}`} />
      <text x={200} y={286} class="flow-number small">
        {isIdle ? "idle" : `${scaled.number}${THIN_SPACE}${scaled.unit}`}
      </text>
      <text x={200} y={302} class="flow-unit">
        {way}
      </text>
      <text x={200} y={317} class="flow-unit">
        {charge}
      </text>
    </g>
  );
}

/** Two dots along a line; a change of power changes their speed without a jump. */
function Dots({ path, role, powerW }: { path: string; role: string; powerW: number }) {
  const group = useRef<SVGGElement>(null);
  const animations = useRef<Animation[]>([]);

  useEffect(() => {
    const dots = [...(group.current?.querySelectorAll("circle") ?? [])];
    animations.current = dots.map((dot, i) =>
      dot.animate([{ offsetDistance: "0%" }, { offsetDistance: "100%" }], {
        duration: 1000,
        iterations: Infinity,
        iterationStart: i / dots.length,
      }),
    );
    return () => animations.current.forEach((animation) => animation.cancel());
  }, [path]);

  useEffect(() => {
    for (const animation of animations.current)
      animation.updatePlaybackRate(1 / travelSeconds(powerW));
  }, [powerW, path]);

  return (
    <g ref={group}>
      {[0, 1].map((n) => (
        <circle
          key={n}
          r="4.5"
          class={`flow-dot fill-${role}`}
          style={{ offsetPath: `path("${path}")` }}
        />
      ))}
    </g>
  );
}
