{{ config(schema=var('mart_schema'), materialized='incremental', pre_hook='{{ statsig_runs.delete_changed_runs() }}') }}

{{ stages_of_level('run', ['run_id']) }}
