# SPDX-License-Identifier: Apache-2.0
"""What the policy node does that needs no ROS.

`PolicySession` is a policy that runs: it is made of `SessionParts`, moved on by the steps of its
`InferenceLoop` and `ControlLoop`, and watched by its `Supervisor`. What it needs of the world
(clock, inputs, drive, graph, worker) are small Protocols. The node implements them with ROS and
calls the steps from threads (`ThreadedSession`); an evaluation with a simulation, one by one.
"""
