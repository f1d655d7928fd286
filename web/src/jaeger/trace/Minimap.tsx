/** The whole trace in one strip; dragging chooses the time that the timeline shows, a double click shows all. */

import { useEffect, useRef, useState, type PointerEvent } from "react";

import { color } from "../format";
import type { Trace } from "../model";

const HEIGHT = 60;

export function Minimap({ trace, range, onRange }: { trace: Trace; range: [number, number]; onRange: (range: [number, number]) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(entry!.contentRect.width));
    watch.observe(canvas.current!);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !width) return;
    const scale = devicePixelRatio;
    canvas.current!.width = width * scale;
    canvas.current!.height = HEIGHT * scale;
    context.scale(scale, scale);
    const row = Math.min(4, (HEIGHT - 8) / trace.spans.length);
    trace.spans.forEach((span, index) => {
      context.fillStyle = span.error ? "#f2495c" : color(span.service);
      const x = ((span.start - trace.start) / (trace.duration || 1)) * width;
      context.fillRect(x, 4 + index * row, Math.max(1, (span.duration / (trace.duration || 1)) * width), Math.max(0.6, row * 0.8));
    });
    const [from, to] = drag ?? range;
    context.fillStyle = "#7f8ea355";
    context.fillRect(0, 0, (from / (trace.duration || 1)) * width, HEIGHT);
    context.fillRect((to / (trace.duration || 1)) * width, 0, width, HEIGHT);
  }, [trace, width, range, drag]);
  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * trace.duration;
  };
  const finish = () => {
    if (drag) {
      const [from, to] = [Math.min(...drag), Math.max(...drag)];
      if (to - from > trace.duration / 500) onRange([from, to]);
    }
    setDrag(null);
  };
  return (
    <canvas
      ref={canvas} className="minimap" aria-label="Whole trace; drag to zoom, double click to show all"
      onPointerDown={(event) => { event.currentTarget.setPointerCapture(event.pointerId); setDrag([at(event), at(event)]); }}
      onPointerMove={(event) => drag && setDrag([drag[0], at(event)])}
      onPointerUp={finish} onDoubleClick={() => onRange([0, trace.duration])}
    />
  );
}
