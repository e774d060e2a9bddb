/** QR codes (ISO/IEC 18004): byte mode, error level M, versions 1 to 10. The desktop tab imports this, too. */

const CODEWORDS = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346];
const CORRECTION = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]; // codewords of each block
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const ALIGNMENT = [[], [18], [22], [26], [30], [34], [22, 38], [24, 42], [26, 46], [28, 50]]; // and 6
/** Which modules a mask leaves alone: where it gives 0. @type {((x: number, y: number) => number)[]} */
const MASKS = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** Product in GF(256) with the polynomial 0x11d. @param {number} a @param {number} b */
function product(a, b) {
  let result = 0;
  for (let bit = 7; bit >= 0; bit--) result = (result << 1) ^ ((result >> 7) * 0x11d) ^ (((b >> bit) & 1) * a);
  return result;
}

/** Correction codewords of one block (Reed-Solomon). @param {number[]} data @param {number} degree */
function correction(data, degree) {
  let divisor = [1];
  for (let i = 0, root = 1; i < degree; i++, root = product(root, 2)) {
    const next = [...divisor, 0];
    divisor.forEach((factor, at) => (next[at + 1] ^= product(factor, root)));
    divisor = next;
  }
  const rest = [...data, ...new Array(degree).fill(0)];
  for (let i = 0; i < data.length; i++) {
    const factor = rest[i];
    divisor.forEach((part, at) => (rest[i + at] ^= product(part, factor)));
  }
  return rest.slice(data.length);
}

/** All codewords of a text in the order in which they are drawn, and the version they need. @param {string} text */
function codewords(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const room = (/** @type {number} */ v) => CODEWORDS[v] - CORRECTION[v] * BLOCKS[v];
  const version = CODEWORDS.findIndex((_, v) => bytes.length + (v < 9 ? 2 : 3) <= room(v));
  if (version < 0) throw new RangeError("too long for a QR code");
  const counted = version < 9 ? [bytes.length] : [bytes.length >> 8, bytes.length & 255];
  const nibbles = [4, ...[...counted, ...bytes].flatMap((byte) => [byte >> 4, byte & 15]), 0];
  const data = Array.from({ length: nibbles.length / 2 }, (_, i) => (nibbles[2 * i] << 4) | nibbles[2 * i + 1]);
  for (let pad = 0xec; data.length < room(version); pad ^= 0xec ^ 0x11) data.push(pad);
  const short = Math.floor(data.length / BLOCKS[version]);
  const long = data.length % BLOCKS[version];
  /** @type {number[][]} */
  const blocks = [];
  for (let i = BLOCKS[version], at = 0; i > 0; i--) blocks.push(data.slice(at, (at += short + (i <= long ? 1 : 0))));
  const checks = blocks.map((block) => correction(block, CORRECTION[version]));
  const woven = (/** @type {number[][]} */ lists) => Array.from({ length: Math.max(...lists.map((list) => list.length)) },
    (_, i) => lists.flatMap((list) => (i < list.length ? [list[i]] : []))).flat();
  return { version: version + 1, words: [...woven(blocks), ...woven(checks)] };
}

/** What makes a symbol hard to read: long runs, blocks, false finders, imbalance. @param {boolean[][]} rows */
function penalty(rows) {
  const size = rows.length;
  const lines = [...rows, ...rows.map((_, x) => rows.map((row) => row[x]))].map((line) => line.map(Number).join(""));
  let points = 0;
  for (const line of lines) {
    points += (line.match(/0{5,}|1{5,}/g) ?? []).reduce((sum, run) => sum + run.length - 2, 0);
    points += 40 * (line.match(/(?=10111010000|00001011101)/g) ?? []).length;
  }
  for (let y = 1; y < size; y++)
    for (let x = 1; x < size; x++)
      if (new Set([rows[y][x], rows[y - 1][x], rows[y][x - 1], rows[y - 1][x - 1]]).size === 1) points += 3;
  const dark = rows.flat().filter(Boolean).length / (size * size);
  return points + 10 * Math.floor(Math.abs(dark - 0.5) * 20);
}

/**
 * Rows of a QR code, true for dark, without the quiet zone.
 * @param {string} text At most 213 bytes, else RangeError.
 * @returns {boolean[][]}
 */
export function qr(text) {
  const { version, words } = codewords(text);
  const size = 17 + 4 * version;
  /** Null where the data go. @type {(boolean | null)[][]} */
  const fixed = Array.from({ length: size }, () => new Array(size).fill(null));
  /** @param {number} x @param {number} y @param {unknown} dark */
  const set = (x, y, dark) => { if (fixed[y]?.[x] !== undefined) fixed[y][x] = Boolean(dark); };
  for (let i = 8; i < size - 8; i++) { set(i, 6, i % 2 === 0); set(6, i, i % 2 === 0); }
  /** @param {number} cx @param {number} cy @param {number} radius @param {number[]} light */
  const square = (cx, cy, radius, light) => {
    for (let y = -radius; y <= radius; y++)
      for (let x = -radius; x <= radius; x++)
        set(cx + x, cy + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, 4, [2, 4]);
  const centres = version > 1 ? [6, ...ALIGNMENT[version - 1]] : [];
  for (const x of centres)
    for (const y of centres)
      if (!((x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6))) square(x, y, 2, [1]);
  /** @param {number} value @param {number} bits @param {number} generator */
  const remainder = (value, bits, generator) => {
    let rest = value << bits;
    for (let bit = 31; bit >= bits; bit--) if ((rest >>> bit) & 1) rest ^= generator << (bit - bits);
    return rest;
  };
  if (version > 6) {
    const bits = (version << 12) | remainder(version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) {
      const [a, b] = [Math.floor(i / 3), size - 11 + (i % 3)];
      set(a, b, (bits >> i) & 1); set(b, a, (bits >> i) & 1);
    }
  }
  const format = (/** @type {number} */ mask) => {
    const bits = ((mask << 10) | remainder(mask, 10, 0x537)) ^ 0x5412; // level M is 00
    for (let i = 0; i < 15; i++) {
      const dark = (bits >> i) & 1;
      const along = i < 6 ? i : i < 8 ? i + 1 : null;
      if (along === null) set(i === 8 ? 7 : 14 - i, 8, dark); else set(8, along, dark);
      if (i < 8) set(size - 1 - i, 8, dark); else set(8, size - 15 + i, dark);
    }
    set(8, size - 8, true);
  };
  format(0); // takes its place before the data do
  /** @type {[number, number][]} */
  const free = [];
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--;
    for (let i = 0; i < size; i++)
      for (const x of [right, right - 1]) {
        const y = up ? size - 1 - i : i;
        if (fixed[y][x] === null) free.push([x, y]);
      }
  }
  const drawn = MASKS.map((masked, mask) => {
    format(mask);
    const rows = fixed.map((row) => row.map(Boolean));
    free.forEach(([x, y], i) => (rows[y][x] = Boolean(((words[i >> 3] ?? 0) >> (7 - (i & 7))) & 1) !== (masked(x, y) === 0)));
    return rows;
  });
  const points = drawn.map(penalty);
  return drawn[points.indexOf(Math.min(...points))];
}
