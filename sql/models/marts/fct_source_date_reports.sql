{{ config(schema=var('mart_schema')) }}

with reports as (

    select * from {{ ref('int_status_reports') }}

),

messages as (

    select * from {{ ref('stg_ingestion_status_messages') }}

),

-- how far one must look back to the newest message of each kind
positions as (

    select
        source,
        date_stamp,
        count(*) as message_count,
        count(case when status_class = 'success' then 1 end) as load_count,
        min(case when ingestion_dataset is not null then position end) as newest_dataset,
        min(case when source_type is not null then position end) as newest_source_type,
        min(case when row_count is not null then position end) as newest_row_count,
        min(case when metric_count is not null then position end) as newest_metric_count,
        min(case when status_class in ('success', 'empty', 'error') then position end) as newest_final,
        min(case when status_class in ('success', 'empty') then position end) as newest_load,
        min(case when status_class = 'error' then position end) as newest_error,
        max(case when has_odd_date then 1 else 0 end) as has_odd_date
    from reports
    group by source, date_stamp

),

picked as (

    select
        positions.source,
        positions.date_stamp,
        max(case when reports.position = positions.newest_dataset then reports.ingestion_dataset end)
            as ingestion_dataset,
        max(case when reports.position = positions.newest_source_type then reports.source_type end) as source_type,
        max(case when reports.position = 1 then reports.status end) as reported_status,
        max(case when reports.position = 1 then reports.status_at end) as reported_at,
        max(case when reports.position = 1 then reports.status_class end) as status_class,
        max(case when reports.position = positions.newest_row_count then reports.row_count end) as row_count,
        max(case when reports.position = positions.newest_metric_count then reports.metric_count end)
            as metric_count,
        max(case when reports.position = positions.newest_final then reports.status_class end) as final_class,
        max(case when reports.position = positions.newest_error then reports.message_hash end) as error_hash,
        max(case when reports.position = positions.newest_error then reports.status end) as error_status,
        max(case when reports.position = positions.newest_error then reports.status_at end) as error_at
    from positions
    inner join reports
        on
            positions.source = reports.source
            and positions.date_stamp = reports.date_stamp
    group by positions.source, positions.date_stamp

),

-- a number that can count rows, of a date that can be: others would overflow, or make an expectation of nothing
counts as (

    select
        picked.source,
        picked.date_stamp,
        picked.row_count
    from picked
    inner join positions
        on
            picked.source = positions.source
            and picked.date_stamp = positions.date_stamp
    where
        positions.has_odd_date = 0
        and (picked.row_count = 0 or picked.row_count between 1 and 1e18)

),

-- a date speaks for the same weekday of the next eight weeks
expectations as (

    select
        counts.source,
        {{ days_later('counts.date_stamp', '7 * weeks.n') }} as date_stamp,
        {{ percentile(0.5, 'counts.row_count') }} as expected_row_count
    from counts
    cross join {{ numbers(8) }} as weeks
    group by counts.source, {{ days_later('counts.date_stamp', '7 * weeks.n') }}
    having count(*) >= 3

),

measured as (

    select
        picked.*,
        positions.message_count,
        positions.load_count,
        coalesce(picked.final_class = 'empty', false) or coalesce(picked.row_count = 0, false) as is_empty,
        messages.error_message,
        (
            positions.newest_error is not null
            and coalesce(positions.newest_error < positions.newest_load, true)
        ) as is_error_open,
        case when positions.has_odd_date = 0 then expectations.expected_row_count end as expected_row_count,
        counts.row_count / nullif(expectations.expected_row_count, 0) as row_count_ratio
    from picked
    inner join positions
        on
            picked.source = positions.source
            and picked.date_stamp = positions.date_stamp
    left join messages on picked.error_hash = messages.message_hash
    left join counts
        on
            picked.source = counts.source
            and picked.date_stamp = counts.date_stamp
    left join expectations
        on
            picked.source = expectations.source
            and picked.date_stamp = expectations.date_stamp

),

final as (

    select
        source,
        date_stamp,
        ingestion_dataset,
        source_type,
        message_count,
        load_count,
        reported_status,
        reported_at,
        status_class,
        row_count,
        metric_count,
        is_empty,
        error_status,
        error_message,
        error_at,
        is_error_open,
        expected_row_count,
        row_count_ratio,
        row_count_ratio < {{ var('volume_drop_ratio') }} as is_volume_drop
    from measured

)

select * from final
