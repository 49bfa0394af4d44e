{{ config(schema=var('staging_schema')) }}

with source as (

    select * from {{ named_in_view(source('statsig_raw', 'ingestion_run_date_stamps')) }}

),

renamed as (

    select
        {{ text('run_id') }} as run_id,
        date_stamp

    from source

)

select * from renamed
