{{ config(
    schema=var('mart_schema'),
    materialized='incremental',
    pre_hook="{{ statsig_runs.delete_changed_runs('int_judged_runs', and_rows_of_no_run=true) }}",
) }}

{%- set no_run = 'cast(null as ' ~ dbt.type_string() ~ ') as run_id' -%}
{%- set no_source = 'cast(null as ' ~ dbt.type_string() ~ ') as source' -%}
{%- set no_date_stamp = 'cast(null as date) as date_stamp' %}

with attempts as (

    select * from {{ ref('int_stage_attempts') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

histories as (

    select * from {{ ref('int_histories') }}
    where
        level = 'run'
        and run_id in ({{ runs_to_build('int_judged_runs') }})

),

runs as (

    select * from {{ ref('fct_runs') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

buckets as (

    select * from {{ ref('fct_source_dates') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

implausible_times as (

    select * from {{ ref('int_implausible_times') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

payloads as (

    select
        *,
        row_number() over (partition by run_id order by fetched_at desc, content_hash desc) as newest_first
    from {{ ref('stg_run_payloads') }}
    where run_id in ({{ runs_to_build('int_judged_runs') }})

),

newest_payloads as (

    select
        run_id,
        payload
    from payloads
    where newest_first = 1

),

reports as (

    select * from {{ ref('fct_source_date_reports') }}

),

report_messages as (

    select * from {{ ref('int_status_reports') }}

),

status_catalogue as (

    select * from {{ ref('status_catalogue') }}

),

unknown_fields as (

    {{ unknown_payload_fields('newest_payloads') }}

),

stages as (

    select
        level,
        run_id,
        source,
        date_stamp,
        stage,
        min(started_at) as first_started_at,
        min(ended_at) as first_ended_at,
        max(case when ended_at < started_at then 1 else 0 end) as has_backward_attempt
    from attempts
    where is_known_phase
    group by level, run_id, source, date_stamp, stage

),

-- a status of unknown phase is a stage of its own; the catalogue may know one as just that
unknown_status as (

    select
        'unknown_status' as finding,
        attempts.run_id,
        attempts.source,
        attempts.date_stamp,
        'status ' || attempts.last_status || ' is not in the catalogue and follows no known pattern' as detail
    from attempts
    left join status_catalogue on attempts.last_status = status_catalogue.status
    where
        not attempts.is_known_phase
        and status_catalogue.status is null

),

level_mismatch as (

    select
        'level_mismatch' as finding,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        'the run-level history says ' || coalesce(outcome, 'nothing')
        || ', its sources and dates say ' || coalesce(effective_outcome, 'nothing') as detail
    from runs
    where has_level_mismatch

),

unrequested_date as (

    select
        'unrequested_date' as finding,
        run_id,
        source,
        date_stamp,
        'the date is not among the date stamps of the run' as detail
    from buckets
    where not is_requested_date

),

stage_disorder as (

    select
        'clock_disorder' as finding,
        run_id,
        source,
        date_stamp,
        'stage ' || stage || ' closes before it starts' as detail
    from stages
    where
        first_ended_at < first_started_at
        or has_backward_attempt = 1

),

creation_disorder as (

    select
        'clock_disorder' as finding,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        'the run is created after its first event' as detail
    from runs
    where created_at > first_event_at

),

empty_history as (

    select
        'empty_history' as finding,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        'the run has no run-level event' as detail
    from runs
    where first_event_at is null

),

latest_status_mismatch as (

    select
        'latest_status_mismatch' as finding,
        runs.run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        'latest_status is ' || runs.latest_status || ', the last event is ' || histories.last_status as detail
    from runs
    inner join histories on runs.run_id = histories.run_id
    where runs.latest_status <> histories.last_status

),

implausible_time as (

    select
        'implausible_time' as finding,
        run_id,
        source,
        case when place <> 'requested_date' then date_stamp end as date_stamp,
        case place
            when 'created_at' then 'the creation'
            when 'last_updated_at' then 'the last update'
            when 'event' then 'an event'
            when 'date' then 'the date'
            else 'the requested date ' || cast(date_stamp as {{ dbt.type_string() }})
        end || ' is before 2015 or more than two days after the fetch' as detail
    from implausible_times

),

contract_drift as (

    select
        'contract_drift' as finding,
        run_id,
        {{ no_source }},
        {{ no_date_stamp }},
        'the payload has the unknown field ' || path as detail
    from unknown_fields

),

-- what reports say is of no run, and found anew by each build
unmatched_report_source as (

    select distinct
        'unmatched_report_source' as finding,
        {{ no_run }},
        source,
        {{ no_date_stamp }},
        'the ingestion status names a source that no run has' as detail
    from report_messages
    where not is_of_runs

),

implausible_report as (

    select distinct
        'implausible_time' as finding,
        {{ no_run }},
        source,
        date_stamp,
        case when has_odd_date then 'the reported date' else 'the time of a report' end
        || ' is before 2015 or more than two days after the fetch' as detail
    from report_messages
    where
        has_odd_date
        or has_odd_time

),

empty_load as (

    select
        'empty_load' as finding,
        {{ no_run }},
        source,
        date_stamp,
        'the date was loaded, and no data came' as detail
    from reports
    where is_empty

),

volume_drop as (

    select
        'volume_drop' as finding,
        {{ no_run }},
        source,
        date_stamp,
        'fewer rows came than on the same weekday of the eight weeks before' as detail
    from reports
    where is_volume_drop

),

final as (

    select * from unknown_status

    union all

    select * from level_mismatch

    union all

    select * from unrequested_date

    union all

    select * from stage_disorder

    union all

    select * from creation_disorder

    union all

    select * from empty_history

    union all

    select * from latest_status_mismatch

    union all

    select * from contract_drift

    union all

    select * from implausible_time

    union all

    select * from unmatched_report_source

    union all

    select * from implausible_report

    union all

    select * from empty_load

    union all

    select * from volume_drop

)

select * from final
