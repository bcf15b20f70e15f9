/** Which devices a rule looks at: all that tell its quantity, or chosen ones, found by name. */

import { useState } from "preact/hooks";

import { formatCount } from "../format/number";
import { devices } from "../state/catalogue";
import { Pick } from "./blanks";

/** A longer list of finds is narrowed by a longer word. */
const MOST_FOUND = 8;

interface Props {
  /** Ids; empty for all. */
  chosen: readonly string[];
  /** Only devices that tell it are offered; null for every device. */
  quantity: string | null;
  /** How many devices tell the quantity; null where there is none. */
  count: number | null;
  onDevices: (ids: string[]) => void;
}

export function DevicesBlank({ chosen, quantity, count, onDevices }: Props) {
  const [isChoosing, setIsChoosing] = useState(chosen.length > 0);
  const all = count ?? devices.value?.length ?? 0;
  const words =
    count === null
      ? `any of ${formatCount(all)} devices`
      : `any of ${formatCount(all)} devices that tell it`;
  return (
    <>
      <Pick
        label="Devices"
        value={isChoosing ? "chosen" : "all"}
        choices={[
          ["all", words],
          ["chosen", chosen.length > 0 ? `${formatCount(chosen.length)} chosen` : "chosen ones"],
        ]}
        onPick={(one) => {
          setIsChoosing(one === "chosen");
          if (one === "all") onDevices([]);
        }}
        testId="rule-devices"
      />
      {isChoosing && <Chooser chosen={chosen} quantity={quantity} onDevices={onDevices} />}
    </>
  );
}

function Chooser({ chosen, quantity, onDevices }: Omit<Props, "count">) {
  const [text, setText] = useState("");
  const known = devices.value ?? [];
  const nameOf = (id: string) => known.find((one) => one.id === id)?.name ?? id;
  const wanted = text.trim().toLowerCase();
  const found =
    wanted === ""
      ? []
      : known.filter(
          (one) =>
            !chosen.includes(one.id) &&
            (quantity === null || one.quantities.some((each) => each.name === quantity)) &&
            `${one.name} ${one.id}`.toLowerCase().includes(wanted),
        );
  const more = found.length - MOST_FOUND;
  return (
    <span class="picks" role="group" aria-label="Chosen devices">
      {chosen.map((id) => (
        <button
          type="button"
          class="pick"
          key={id}
          aria-pressed="true"
          aria-label={`Take out ${nameOf(id)}`}
          onClick={() => onDevices(chosen.filter((one) => one !== id))}
        >
          {nameOf(id)} ×
        </button>
      ))}
      <input
        type="search"
        class="blank wide-blank"
        aria-label="Find a device"
        placeholder="find by name"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        data-testid="rule-find-device"
      />
      {found.slice(0, MOST_FOUND).map((one) => (
        <button
          type="button"
          class="pick"
          key={one.id}
          aria-label={`Choose ${one.name}`}
          onClick={() => {
            onDevices([...chosen, one.id]);
            setText("");
          }}
        >
          + {one.name}
        </button>
      ))}
      {more > 0 && <small class="muted">and {formatCount(more)} more</small>}
      {wanted !== "" && found.length === 0 && <small class="muted">none is called that</small>}
    </span>
  );
}
