/** A list of rows of one height that keeps only those in sight in the page. */

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

interface LongListProps<Row> {
  rows: readonly Row[];
  rowHeight: number;
  keyOf: (row: Row) => string;
  render: (row: Row) => ComponentChildren;
}

const AROUND = 12;
/** Shorter lists are simply drawn. */
const SHORT = 120;

export function LongList<Row>({ rows, rowHeight, keyOf, render }: LongListProps<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(0);
  const isLong = rows.length > SHORT;
  const count = isLong ? Math.ceil(innerHeight / rowHeight) + 2 * AROUND : rows.length;

  useEffect(() => {
    if (!isLong) return;
    const follow = () => {
      const top = -(box.current?.getBoundingClientRect().top ?? 0);
      setFirst(Math.max(0, Math.floor(top / rowHeight) - AROUND));
    };
    follow();
    addEventListener("scroll", follow, { passive: true });
    addEventListener("resize", follow);
    return () => {
      removeEventListener("scroll", follow);
      removeEventListener("resize", follow);
    };
  }, [isLong, rowHeight]);

  // What was drawn once is drawn again only when the rows or their look change, not by scrolling.
  const drawn = useMemo(() => new Map<Row, ComponentChildren>(), [rows, render]);
  const draw = (row: Row): ComponentChildren => {
    if (!drawn.has(row)) drawn.set(row, render(row));
    return drawn.get(row);
  };

  const from = isLong ? Math.min(first, Math.max(0, rows.length - count)) : 0;
  return (
    <div
      ref={box}
      role="list"
      style={
        isLong
          ? {
              height: `${rows.length * rowHeight}px`,
              paddingTop: `${from * rowHeight}px`,
              boxSizing: "border-box",
            }
          : {}
      }
    >
      {rows.slice(from, from + count).map((row) => (
        <div role="listitem" key={keyOf(row)} style={isLong ? { height: `${rowHeight}px` } : {}}>
          {draw(row)}
        </div>
      ))}
    </div>
  );
}
