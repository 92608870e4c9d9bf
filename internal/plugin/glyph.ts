/** Glyph: a thing of a plugin on QNTX's canvas. The plugin serves what it shows itself, below `/api/<plugin>`. */

export interface Glyph {
  symbol: string;
  title: string;
  label: string;
  /** Path at the host of the HTML of its content; empty for none. */
  content: string;
  /** Path at the host of its stylesheet; empty for none. */
  css: string;
  /** Path at the host of a module that draws it instead; empty for none. */
  module: string;
  /** Pixels; 0 means as is usual. */
  width: number;
  height: number;
}
