/** The parts of the page, before a node has said anything. */
export const markup = `
<a class="skip" href="#main">Skip to the node</a>
<header>
<h1 class="spoken">Lloom node</h1>
<div id="who" class="who"></div>
<div id="standing" class="standing"></div>
<p class="connection"><span class="light" aria-hidden="true"></span><span id="phase" role="status" aria-live="polite"></span></p>
<button type="button" id="theme" class="quiet"></button>
</header>
<p id="waiting" class="nothing">Waiting for the node to say how it stands.</p>
<noscript><p class="nothing">This page shows a node as it lives: it needs JavaScript.</p></noscript>
<main id="main" tabindex="-1" hidden>
<section aria-labelledby="h-figures" class="wide">
<h2 id="h-figures" class="spoken">Figures</h2>
<dl id="tiles" class="tiles"></dl>
</section>
<section aria-labelledby="h-topology" class="card big">
<h2 id="h-topology">Topology</h2>
<div id="topology"></div>
</section>
<section aria-labelledby="h-requests" class="card small">
<h2 id="h-requests">Requests</h2>
<div id="requests" class="scroll"></div>
</section>
<section aria-labelledby="h-peers" class="card wide">
<div class="head">
<h2 id="h-peers">Peers</h2>
<label class="only"><input id="connected-only" type="checkbox" checked>Connected only</label>
<label class="search"><span class="spoken">Filter peers</span><input id="filter" type="search" placeholder="Filter: id, role, model, topic ( / )" autocomplete="off" spellcheck="false" maxlength="200"></label>
</div>
<div id="peers"></div>
</section>
<section aria-labelledby="h-machines" class="card seven tall">
<h2 id="h-machines">Machines</h2>
<div id="machines"></div>
</section>
<section aria-labelledby="h-gossip" class="card five">
<h2 id="h-gossip">Gossip</h2>
<div id="gossip"></div>
</section>
<section aria-labelledby="h-reachability" class="card five">
<h2 id="h-reachability">Reachability</h2>
<div id="reachability"></div>
</section>
<section aria-labelledby="h-discovery" class="card five">
<h2 id="h-discovery">DHT and discovery</h2>
<div id="discovery"></div>
</section>
<section aria-labelledby="h-node" class="card seven">
<h2 id="h-node">Node</h2>
<div id="node"></div>
</section>
</main>
<dialog id="drawer" aria-labelledby="drawer-title">
<div class="head">
<h2 id="drawer-title"></h2>
<button type="button" id="drawer-back" class="quiet" hidden>Back</button>
<button type="button" id="drawer-close" class="quiet">Close</button>
</div>
<div id="drawer-content"></div>
</dialog>
`;
