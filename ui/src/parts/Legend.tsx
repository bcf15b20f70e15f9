import type { Role } from "../charts/palette";

export interface LegendEntry {
  key: string;
  label: string;
  /** The value behind the name: under the crosshair, or the sum. */
  value?: string;
  role: Role;
  shape?: "area" | "line" | "band" | "hatch";
  /** Given when the entry switches its line. */
  onToggle?: () => void;
  isOff?: boolean;
}

/** Names of the colours; what can be switched is a button. */
export function Legend({ entries, note }: { entries: readonly LegendEntry[]; note?: string }) {
  return (
    <div class="legend">
      {entries.map((entry) => {
        const inner = (
          <>
            <i class={`swatch ${entry.shape ?? "area"} fill-${entry.role}`} />
            {entry.label}
            {entry.value !== undefined && <b>{entry.value}</b>}
          </>
        );
        return entry.onToggle ? (
          <button
            type="button"
            key={entry.key}
            class={`legend-entry${entry.isOff ? " off" : ""}`}
            aria-pressed={!entry.isOff}
            onClick={entry.onToggle}
          >
            {inner}
          </button>
        ) : (
          <span class="legend-entry" key={entry.key}>
            {inner}
          </span>
        );
      })}
      {note !== undefined && <span class="legend-note">{note}</span>}
    </div>
  );
}
