/** A search among thousands of meters: a field, and the first that fit below it. */

import { useRef, useState } from "preact/hooks";

import { apiPath } from "../api/client";
import { useFetched } from "../api/fetching";
import type { GridMeters } from "../api/grid";
import type { Device } from "../api/types";
import { formatCount, formatValue } from "../format/number";

const MOST = 8;

interface Props {
  siteId: string;
  chosen: Device | null;
  onChoose: (meter: string) => void;
}

export function MeterPicker({ siteId, chosen, onChoose }: Props) {
  const [text, setText] = useState<string | null>(null);
  const [at, setAt] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const isOpen = text !== null;
  const fetched = useFetched<GridMeters>(
    isOpen
      ? apiPath("/api/grid/meters", { site: siteId, find: text.trim() || null, limit: MOST })
      : null,
  );
  const found = fetched.answer?.meters ?? [];
  const total = fetched.answer?.total ?? 0;
  const close = () => {
    setText(null);
    setAt(0);
  };
  const choose = (index: number) => {
    const meter = found[index];
    if (meter === undefined) return;
    onChoose(meter.meter);
    close();
    input.current?.blur();
  };
  const keys = (event: KeyboardEvent) => {
    event.stopPropagation();
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0) {
      event.preventDefault();
      setAt(Math.min(found.length - 1, Math.max(0, at + by)));
    } else if (event.key === "Enter") choose(at);
    else if (event.key === "Escape") input.current?.blur();
  };
  return (
    <div class="picker">
      <input
        ref={input}
        type="text"
        class="search"
        role="combobox"
        aria-expanded={isOpen}
        aria-controls="picker-list"
        aria-autocomplete="list"
        aria-activedescendant={isOpen && found[at] !== undefined ? `picker-${at}` : undefined}
        aria-label="Choose a meter"
        placeholder="Meter id or name"
        autoComplete="off"
        spellcheck={false}
        value={text ?? chosen?.name ?? ""}
        onFocus={(event) => {
          setText("");
          event.currentTarget.select();
        }}
        onBlur={close}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={keys}
        data-testid="meter-search"
      />
      {isOpen && (
        <ul class="picker-list" role="listbox" id="picker-list" aria-label="Meters that fit">
          {found.map((meter, i) => (
            <li
              key={meter.meter}
              id={`picker-${i}`}
              role="option"
              aria-selected={i === at}
              // Before the field loses its focus.
              onPointerDown={(event) => {
                event.preventDefault();
                choose(i);
              }}
              data-testid="meter-option"
            >
              <span>
                {meter.name}
                {meter.name !== meter.meter && <small> {meter.meter}</small>}
              </span>
              <span class="number muted">{formatValue(meter.power_w, "W")}</span>
            </li>
          ))}
          {fetched.answer !== null && (
            <li class="picker-note" role="presentation">
              {total === 0
                ? "No meter is called so."
                : total > found.length
                  ? `${formatCount(total - found.length)} more: type on to find them`
                  : `${formatCount(total)} found`}
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
