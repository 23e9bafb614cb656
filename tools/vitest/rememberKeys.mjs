// Loaded before tests (`--import`), from the sources, which need no build.
import '../../packages/simkit/src/rememberKeys.ts';
