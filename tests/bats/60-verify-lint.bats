#!/usr/bin/env bats
# taskhook verify --lint: templates of both projects, as their documents and examples have them.
# shellcheck disable=SC2154,SC2030,SC2031 # set by run and by the libraries

bats_require_minimum_version 1.8.0
load lib/tasks
load lib/verify

setup()
{
	tasks_setup
	verify_setup
}
teardown() { tasks_teardown; }

lint() { th verify --lint "$@"; }

@test "HookTemplate beside a HookRun, with blanks at line ends" {
	cat >"$t" <<-END
		apiVersion: tkex.tencent.com/v1alpha1
		kind: HookTemplate
		metadata:
		  name: test
		spec:
		  args:$(printf '  ')
		  - name: service-name
		    value: test-gamedeployment-svc.default.svc.cluster.local
		  - name: PodName
		  metrics:
		  - name: webtest
		    count: 2
		    interval: 60s
		    failureLimit: 0
		    successCondition: "asInt(result) < 30"
		    provider:
		      web:
		        url: http://{{ args.service-name }}:9091/{{ args.PodName }}
		        jsonPath: "{\$.age}"
		---
		apiVersion: tkex.tencent.com/v1alpha1
		kind: HookRun
		metadata:
		  name: test-run
		status:
		  phase: Running
	END
	run -0 --separate-stderr lint "$t"
	[[ $stderr == *"template 'test': 1 metric, takes at most "* ]]
	run -0 lint -a PodName=pod-1 --dialect=bcs "$t"
}

@test "four arguments without a value, and no line end at the end" {
	printf '%s\n' 'kind: HookTemplate' 'metadata: {name: pre-delete}' 'spec:' '  args:' '    - name: PodIP' \
		'    - name: PodName' '    - name: PodNamespace' '    - name: HostIP' '  metrics:' '  - name: m' \
		'    count: 3' '    interval: 1s' '    failureLimit: 2' '    successCondition: "asInt(result) < 30"' \
		'    provider:' '      web:' '        url: http://{{ args.PodIP }}:9091' >"$t"
	printf '        jsonPath: "{$.age}"' >>"$t"
	run -0 --separate-stderr lint "$t"
	[[ $stderr == *"the argument 'HostIP' is never used"* ]]
}

@test "Ordered, with web, prometheus and kubernetes: the last is refused in words" {
	cat >"$t" <<-'END'
		kind: HookTemplate
		metadata:
		  name: hook-complex
		spec:
		  policy: Ordered
		  args:
		  - name: arg
		    value: ""
		  metrics:
		  - name: web
		    count: 0
		    provider:
		      web: {url: "http://h/{{args.arg}}", jsonPath: '{$.age}', timeoutSeconds: 20}
		  - name: prom
		    successCondition: asInt(result) == 1
		    provider:
		      prometheus: {address: "http://p:9090", query: up}
		  - name: kube
		    provider:
		      kubernetes:
		        function: get
		        fields: [{path: metadata.name, value: x}]
	END
	run -65 --separate-stderr lint "$t"
	[[ $stderr == *"metrics[2]: the provider 'kubernetes'"*"there is none here"* ]]
	[[ $stderr != *"metrics[0]"* && $stderr != *"metrics[1]"* ]]
}

@test "AnalysisTemplate for the background: no count, no path, a comment first" {
	cat >"$t" <<-'END'
		# An endless one
		kind: AnalysisTemplate
		apiVersion: argoproj.io/v1alpha1
		metadata:
		  name: web-background
		spec:
		  metrics:
		  - name: web
		    interval: 5s
		    inconclusiveLimit: 3
		    successCondition: result.major == '1'
		    failureCondition: result.major == '2'
		    provider:
		      web:
		        url: https://kubernetes.default.svc/version
		        insecure: true
	END
	run -0 --separate-stderr lint "$t"
	[[ $stderr == *"the metric has no end"* && $stderr == *"without an end"* ]]
}

@test "the third document, with numbers from arguments and a secret" {
	cat >"$t" <<-'END'
		kind: Secret
		metadata: {name: s}
		---
		kind: Rollout
		metadata: {name: r}
		---
		kind: AnalysisTemplate
		metadata:
		  name: secret-template
		spec:
		  args:
		  - name: secret
		    valueFrom:
		      secretKeyRef: {name: s, key: k}
		  - name: count
		  - name: interval
		    value: 1s
		  metrics:
		  - name: web
		    count: "{{args.count}}"
		    interval: "{{args.interval}}"
		    failureLimit: "{{args.count}}"
		    successCondition: result == "{{ args.secret }}"
		    provider:
		      web:
		        url: http://h/
		        headers:
		        - key: Authorization
		          value: "Bearer {{ args.secret }}"
		        jsonPath: "{$.message}"
	END
	run -0 lint "$t"
	echo 's3cret' >"$BATS_TEST_TMPDIR/secret"
	run -0 --separate-stderr lint --arg-file "secret=$BATS_TEST_TMPDIR/secret" -a count=2 "$t"
	[[ $stderr == *"can never fail"* ]]
	run -65 --separate-stderr lint --arg-file "secret=$BATS_TEST_TMPDIR/secret" -a count=s3cret "$t"
	[[ $stderr == *"count: '*****' is no whole number"* ]]
	[[ $stderr != *s3cret* ]]
}

@test "block scalars, lists at the same indent, and --name" {
	cat >"$t" <<-'END'
		kind: AnalysisTemplate
		metadata: {name: one}
		spec:
		  metrics:
		  - name: error-rate
		    interval: 5m
		    count: 3
		    successCondition: result[0] >= 0.95
		    provider:
		      prometheus:
		        address: http://prometheus.example.com:9090
		        query: |
		          sum(irate(
		            requests{code!~"5.*"}[5m]
		          ))
		---
		kind: ClusterAnalysisTemplate
		metadata: {name: two}
		spec:
		  metrics:
		  - name: job
		    provider:
		      job:
		        spec: {}
	END
	run -65 --separate-stderr lint "$t"
	[[ $stderr == *"pick one with --name: 'one', 'two'"* ]]
	run -0 lint --name one "$t"
	run -65 --separate-stderr lint --name two "$t"
	[[ $stderr == *"'job' runs a job in a Kubernetes cluster"* ]]
}

@test "usage, files that are not there, and a billion laughs" {
	run -64 lint
	run -64 lint -a x "$t"
	run -78 lint "$t"
	printf 'a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n' >"$t"
	run -65 --separate-stderr lint "$t"
	[ "$(grep -c '' <<<"$stderr")" -eq 1 ]
	[[ $stderr == *"$t:2: aliases are not supported"* ]]
}
