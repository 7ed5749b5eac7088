/* SPDX-License-Identifier: Apache-2.0 */
"use strict";

const microseconds = (ns) => (ns / 1000).toFixed(1) + " µs";

function row(disk) {
	const cells = [disk.name, disk.state, disk.counters.requests, microseconds(disk.latency["p50-ns"]),
		microseconds(disk.latency["p99-ns"]), disk.latency["dominant-stage"]];
	const tr = document.createElement("tr");

	for (const text of cells) {
		const td = document.createElement("td");

		td.textContent = text;
		tr.append(td);
	}
	return tr;
}

async function look() {
	const state = document.getElementById("state");

	try {
		const answer = await fetch("api/v1/stats.get?window=5");
		const stats = await answer.json();

		if (!answer.ok)
			throw new Error(stats.error.message);
		document.getElementById("disks").replaceChildren(...stats.disks.map(row));
		state.textContent = stats.disks.length + " disks";
	} catch (error) {
		state.textContent = error.message;
	}
	setTimeout(look, 1000);
}

look();
