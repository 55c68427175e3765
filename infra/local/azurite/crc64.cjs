"use strict";
// Gives Azurite the service's CRC64 (node --require): Put Blob and Put Block take x-ms-content-crc64, refuse a body that
// differs (400 Crc64Mismatch, and nothing is stored), and answer with what they computed. The checksum is taken as the bytes
// arrive; nothing is buffered.
//
// Where Azurite still differs from the service: Put Block List, Append Block and Get Blob with x-ms-range-get-content-crc64
// know no CRC64; structured messages (x-ms-structured-body) are not understood; server-side pull does not exist.
//
// CRC-64/NVME: polynomial 0xAD93D23594C93659, reflected, all ones in and out ("123456789" is 0xae8b14860a799888), written as
// base64 of the eight bytes, least significant first.

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const HEADER = "x-ms-content-crc64";
const SLICES = 8;
const LOW = new Int32Array(SLICES * 256);
const HIGH = new Int32Array(SLICES * 256);
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

// Table k advances a byte past k further zero bytes, so that eight bytes cost eight look-ups and no loop over bits.
for (let byte = 0; byte < 256; byte++) {
  let low = byte;
  let high = 0;
  for (let bit = 0; bit < 8; bit++) {
    const odd = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (odd) {
      low ^= 0xac4bc9b5;
      high ^= 0x9a6c9329;
    }
  }
  LOW[byte] = low;
  HIGH[byte] = high;
}
for (let at = 256; at < SLICES * 256; at++) {
  const low = LOW[at - 256];
  const high = HIGH[at - 256];
  LOW[at] = ((low >>> 8) | (high << 24)) ^ LOW[low & 255];
  HIGH[at] = (high >>> 8) ^ HIGH[low & 255];
}

class Crc64 {
  low = -1;
  high = -1;

  update(chunk) {
    const aligned = LITTLE_ENDIAN ? (4 - (chunk.byteOffset & 3)) & 3 : chunk.length;
    const start = Math.min(aligned, chunk.length);
    const words = (chunk.length - start) >>> 3;
    this.bytes(chunk, 0, start);
    if (words) this.words(new Int32Array(chunk.buffer, chunk.byteOffset + start, words * 2));
    this.bytes(chunk, start + words * 8, chunk.length);
  }

  bytes(chunk, from, to) {
    let { low, high } = this;
    for (let i = from; i < to; i++) {
      const at = (low ^ chunk[i]) & 255;
      low = ((low >>> 8) | (high << 24)) ^ LOW[at];
      high = (high >>> 8) ^ HIGH[at];
    }
    this.low = low;
    this.high = high;
  }

  words(pairs) {
    let { low, high } = this;
    for (let i = 0; i < pairs.length; i += 2) {
      const a = low ^ pairs[i];
      const b = high ^ pairs[i + 1];
      const t7 = 1792 + (a & 255);
      const t6 = 1536 + ((a >>> 8) & 255);
      const t5 = 1280 + ((a >>> 16) & 255);
      const t4 = 1024 + (a >>> 24);
      const t3 = 768 + (b & 255);
      const t2 = 512 + ((b >>> 8) & 255);
      const t1 = 256 + ((b >>> 16) & 255);
      const t0 = b >>> 24;
      low = LOW[t7] ^ LOW[t6] ^ LOW[t5] ^ LOW[t4] ^ LOW[t3] ^ LOW[t2] ^ LOW[t1] ^ LOW[t0];
      high = HIGH[t7] ^ HIGH[t6] ^ HIGH[t5] ^ HIGH[t4] ^ HIGH[t3] ^ HIGH[t2] ^ HIGH[t1] ^ HIGH[t0];
    }
    this.low = low;
    this.high = high;
  }

  base64() {
    const out = Buffer.alloc(8);
    out.writeInt32LE(~this.low, 0);
    out.writeInt32LE(~this.high, 4);
    return out.toString("base64");
  }
}

const sums = new WeakMap();

// From the moment a request's head is read: its body may arrive before Azurite has looked at it.
function watch(request) {
  const sum = new Crc64();
  const push = request.push;
  request.push = function (chunk, encoding) {
    if (chunk) sum.update(chunk);
    return push.call(this, chunk, encoding);
  };
  sums.set(request, sum);
}

// One upload call of Azurite's handler: between storing the body and naming it as a blob or block, the checksum is compared.
function checked(method, bodyAt, StorageError) {
  return async function (...args) {
    const context = args.at(-1);
    const sum = sums.get(args[bodyAt]);
    const declared = context.request.getHeader(HEADER);
    const store = Object.create(this.extentStore);
    store.appendExtent = async (body, id) => {
      const extent = await this.extentStore.appendExtent(body, id);
      if (sum && declared !== undefined && declared !== sum.base64()) {
        const text = "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.";
        throw new StorageError(400, "Crc64Mismatch", text, context.contextId ?? id);
      }
      return extent;
    };
    const self = Object.create(this, { extentStore: { value: store } });
    const response = await method.apply(self, args);
    if (sum) context.response.setHeader(HEADER, sum.base64());
    return response;
  };
}

function install(root) {
  const { HeaderConstants } = require(path.join(root, "blob/utils/constants"));
  const { default: StorageError } = require(path.join(root, "blob/errors/StorageError"));
  const { default: Handler } = require(path.join(root, "blob/handlers/BlockBlobHandler"));
  HeaderConstants.X_MS_CONTENT_CRC64 = `${HEADER}-is-known`; // the header that strict mode refuses
  Handler.prototype.upload = checked(Handler.prototype.upload, 0, StorageError);
  Handler.prototype.stageBlock = checked(Handler.prototype.stageBlock, 2, StorageError);
  const emit = http.Server.prototype.emit;
  http.Server.prototype.emit = function (event, request, ...rest) {
    if (event === "request" && request.method === "PUT") watch(request);
    return emit.call(this, event, request, ...rest);
  };
}

if (process.argv[1]) install(path.dirname(fs.realpathSync(process.argv[1])));
module.exports = { Crc64 };
