(() => {
  "use strict";
  const page = document.getElementById("challenge");
  const status = document.getElementById("status");
  const { token, difficulty, path } = page.dataset;
  const text = page.dataset;

  // FIPS 180-4: the constants are the fractions of the roots of the first primes.
  const K = new Int32Array(64), H = new Int32Array(8);
  for (let n = 2, count = 0; count < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (count < 8) H[count] = ((Math.sqrt(n) % 1) * 4294967296) | 0;
    K[count++] = ((Math.cbrt(n) % 1) * 4294967296) | 0;
  }

  const w = new Int32Array(64);
  function compress(state, block, out) {
    for (let i = 0; i < 16; i++) {
      const j = i * 4;
      w[i] = (block[j] << 24) | (block[j + 1] << 16) | (block[j + 2] << 8) | block[j + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    out[0] = (state[0] + a) | 0; out[1] = (state[1] + b) | 0;
    out[2] = (state[2] + c) | 0; out[3] = (state[3] + d) | 0;
    out[4] = (state[4] + e) | 0; out[5] = (state[5] + f) | 0;
    out[6] = (state[6] + g) | 0; out[7] = (state[7] + h) | 0;
  }

  // A token fills one block and a part of the second: the first is hashed once.
  const prefix = new TextEncoder().encode(token + ":");
  const first = new Int32Array(8), hash = new Int32Array(8), block = new Uint8Array(64);
  compress(H, prefix, first);
  const start = prefix.length - 64;
  block.set(prefix.subarray(64));

  function solves(digits) {
    block.fill(0, start);
    for (let i = 0; i < digits.length; i++) block[start + i] = digits.charCodeAt(i);
    block[start + digits.length] = 0x80;
    const bits = (prefix.length + digits.length) * 8;
    block[62] = bits >>> 8;
    block[63] = bits;
    compress(first, block, hash);
    const zeros = Math.clz32(hash[0]);
    return (zeros < 32 ? zeros : 32 + Math.clz32(hash[1])) >= bitsNeeded;
  }

  const bitsNeeded = Number(difficulty);
  let next = 0;
  function work() {
    const until = performance.now() + 50;
    do {
      for (let i = 0; i < 500; i++, next++) {
        if (solves(String(next))) return send(next);
      }
    } while (performance.now() < until);
    setTimeout(work, 0);
  }

  async function send(solution) {
    try {
      const answer = await fetch(path, {
        method: "POST",
        credentials: "same-origin",
        cache: "no-store",
        headers: { "x-challenge-solution": token + ":" + solution },
      });
      if (answer.ok) return location.reload();
    } catch { /* said below */ }
    status.textContent = text.failed;
  }

  if (navigator.cookieEnabled) work();
  else status.textContent = text.cookies;
})();
