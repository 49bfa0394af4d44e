{{ config(schema=var('staging_schema'), materialized='table') }}

with messages as (

    select * from {{ ref('stg_ingestion_status_messages') }}
    where
        source_name is not null
        and date_stamp is not null

),

report_statuses as (

    select * from {{ ref('report_statuses') }}

),

listed_sources as (

    select * from {{ ref('stg_ingestion_run_sources') }}

),

source_dates as (

    select * from {{ ref('fct_source_dates') }}

),

mentioned_sources as (

    select source from listed_sources

    union all

    select source from source_dates

),

sources_of_runs as (

    select distinct source from mentioned_sources

),

-- what two sources share when case and outer white space are left out names neither
folded_sources as (

    select
        {{ folded_name('source') }} as folded_name,
        max(source) as source
    from sources_of_runs
    group by {{ folded_name('source') }}
    having count(*) = 1

),

names as (

    select distinct source_name from messages

),

matched_names as (

    select
        names.source_name,
        coalesce(sources_of_runs.source, folded_sources.source) as source_of_runs
    from names
    left join sources_of_runs on names.source_name = sources_of_runs.source
    left join folded_sources on {{ folded_name('names.source_name') }} = folded_sources.folded_name

),

judged as (

    select
        messages.message_hash,
        coalesce(matched_names.source_of_runs, messages.source_name) as source,
        matched_names.source_of_runs is not null as is_of_runs,
        messages.date_stamp,
        messages.ingestion_dataset,
        messages.source_type,
        messages.status,
        {{ text("coalesce(report_statuses.class, case when " ~ dbt.right('messages.status', 5)
            ~ " = 'ERROR' then 'error' else 'unknown' end)") }} as status_class,
        messages.row_count,
        messages.metric_count,
        messages.status_at,
        {{ is_implausible_date('messages.date_stamp', 'messages.first_fetched_at') }} as has_odd_date,
        coalesce({{ is_implausible_time('messages.status_at', 'messages.first_fetched_at') }}, false) as has_odd_time
    from messages
    inner join matched_names on messages.source_name = matched_names.source_name
    left join report_statuses on messages.status = report_statuses.status

),

ordered as (

    select
        *,
        -- a time that cannot be, or none at all, stands before all others
        case when not has_odd_time then status_at end as ordered_at
    from judged

),

final as (

    select
        *,
        row_number() over (partition by source, date_stamp order by {{ newest_first(['message_hash']) }}) as position,
        (
            status_class = 'error'
            and row_number() over (
                partition by source, date_stamp, status_class order by {{ newest_first(['message_hash']) }}
            ) = 1
        ) as is_newest_error
    from ordered

)

select * from final
