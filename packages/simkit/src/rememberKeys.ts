// Loaded before anything else (`node --import @lloom/simkit/remember-keys`): lets @libp2p/crypto remember the secp256k1 keys that
// it has read and derived and the signatures that it has checked, and the addon `secp256k1` those that it has checked. Where
// the process has loaded that addon, libp2p signs and checks with it. Refused in production.
//
// libp2p reads a public key anew, with two square roots, whenever it meets the id of a peer: in every answer of the DHT
// twenty times. In simulations of many nodes that is two fifths of all that is computed, and proves nothing. What is read
// and refused stays the same. One message is checked by every node that it reaches, and in one process with one result. What
// libp2p signs, such as the record of a peer in each answer of identify, takes it a hundred times as long as the addon. The
// signatures are the same bytes; what the addon does not accept, libp2p itself refuses.
import { registerHooks } from 'node:module';

const curve = '@noble/curves/secp256k1.js';
const isCrypto = /\/@libp2p\/crypto\/dist\/src\/keys\/secp256k1\/[^/]+\.js$/;
const isAddon = /\/secp256k1\/bindings\.js$/;
const wrapped = 'lloom-simkit:secp256k1';
/** Where libp2p's side finds the addon, once it is loaded. */
const addonKey = `Symbol.for('@lloom/simkit/secp256k1')`;

if (process.env['NODE_ENV'] === 'production') {
  // Loaded late: what errors need would load libp2p before the hooks are there.
  const { SimkitError } = await import('./errors.ts');
  throw new SimkitError('PRODUCTION', {});
}

/** Put behind the addon's own source. What it throws for is not remembered. */
const rememberChecks = `
{
  const { ecdsaVerify, ecdsaRecover } = module.exports;
  const known = new Map();
  const textOf = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const remember = (key, value) => {
    if (known.size >= 16384) known.clear();
    known.set(key, value);
    return value;
  };
  module.exports.ecdsaVerify = (signature, digest, publicKey) => {
    const key = 'v' + textOf(signature) + textOf(digest) + textOf(publicKey);
    return known.get(key) ?? remember(key, ecdsaVerify(signature, digest, publicKey));
  };
  module.exports.ecdsaRecover = (signature, id, digest, isCompressed, output) => {
    if (!(output instanceof Uint8Array)) return ecdsaRecover(signature, id, digest, isCompressed, output);
    const key = 'r' + id + isCompressed + textOf(signature) + textOf(digest);
    const before = known.get(key);
    if (before === undefined || before.length !== output.length) {
      remember(key, Uint8Array.from(ecdsaRecover(signature, id, digest, isCompressed, output)));
    } else {
      output.set(before);
    }
    return output;
  };
  globalThis[${addonKey}] = module.exports;
}`;

const textOf = (source: unknown): string =>
  typeof source === 'string' ? source : Buffer.from(source as Uint8Array).toString('utf8');

registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== curve || !isCrypto.test(context.parentURL ?? '')) return next(specifier, context);
    const { url } = next(specifier, context);
    return { url: `${wrapped}?${url}`, format: 'module', shortCircuit: true };
  },
  load(url, context, next) {
    if (isAddon.test(url)) {
      const loaded = next(url, context);
      return { ...loaded, source: `${textOf(loaded.source)}\n${rememberChecks}` };
    }
    if (!url.startsWith(wrapped)) return next(url, context);
    const source = `
      import { secp256k1 as original } from ${JSON.stringify(url.slice(wrapped.length + 1))};
      const points = new Map();
      const publicKeys = new Map();
      const textOf = (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
      const remembered = (known, key, make) => {
        const before = known.get(key);
        if (before !== undefined) return before;
        const made = make();
        if (known.size >= 16384) known.clear();
        known.set(key, made);
        return made;
      };
      const fromBytes = (bytes) =>
        bytes.length === 33
          ? remembered(points, textOf(bytes), () => original.Point.fromBytes(bytes))
          : original.Point.fromBytes(bytes);
      const addon = () => globalThis[${addonKey}];
      const derived = (key) => {
        try {
          return addon().publicKeyCreate(key, true);
        } catch {
          return original.getPublicKey(key, true);
        }
      };
      const getPublicKey = (key, isCompressed) =>
        key instanceof Uint8Array && isCompressed === true
          ? Uint8Array.from(remembered(publicKeys, textOf(key), () => derived(key)))
          : original.getPublicKey(key, isCompressed);
      // As libp2p calls them. Whatever else there may be, is the original's.
      const isPlain = ({ prehash, format, ...others }) =>
        prehash === false && format === 'der' && Object.keys(others).length === 0;
      const sign = (digest, key, options = {}) => {
        const native = addon();
        if (native !== undefined && isPlain(options)) {
          try {
            return native.signatureExport(native.ecdsaSign(digest, key).signature);
          } catch {}
        }
        return original.sign(digest, key, options);
      };
      const isProven = (native, signature, digest, key) => {
        try {
          const pair = native.signatureImport(signature);
          // Only the one form that DER gives these numbers.
          if (Buffer.compare(native.signatureExport(pair), signature) !== 0) return false;
          return native.ecdsaVerify(pair, digest, key);
        } catch {
          return false;
        }
      };
      const checks = new Map();
      const verify = (signature, digest, key, options = {}) => {
        const isKnown = isPlain(options) && [signature, digest, key].every((bytes) => bytes instanceof Uint8Array);
        if (!isKnown) return original.verify(signature, digest, key, options);
        const text = textOf(digest) + textOf(key) + textOf(signature);
        return remembered(checks, text, () => {
          const native = addon();
          if (native !== undefined && isProven(native, signature, digest, key)) return true;
          return original.verify(signature, digest, key, options);
        });
      };
      export const secp256k1 = { ...original, getPublicKey, sign, verify, Point: { fromBytes } };
    `;
    return { format: 'module', source, shortCircuit: true };
  },
});
